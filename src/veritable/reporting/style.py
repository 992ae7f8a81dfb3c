"""Colors, sizes and fonts that all charts share."""

from typing import Any

INK, ACCENT, SECOND, FAINT = "#1f2933", "#2563eb", "#d97706", "#9aa5b1"
PALETTE = [ACCENT, SECOND, "#059669", "#7c3aed", "#db2777", "#0891b2", "#65a30d", "#6b7280"]
SIZE = {"width": 330, "height": 250}
CONFIG: dict[str, Any] = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "padding": {"left": 18, "right": 5, "top": 5, "bottom": 5},  # for fonts that are wider than here
    "axis": {"grid": True, "gridColor": "#eef1f4", "domainColor": FAINT, "tickColor": FAINT, "labelColor": INK,
             "titleColor": INK, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 12},
    "legend": {"labelColor": INK, "title": None, "orient": "bottom", "labelFontSize": 11, "columns": 4, "labelLimit": 80},
}  # fmt: skip
