"""Colors of the pages and of their figures, for light screens, dark screens and paper.

The colors of series keep their distance also for people who do not see red or green, and contrast with the background by 3:1
or more; texts by 4.5:1 or more. Series are told apart by dashes too, better and worse by arrows and words.
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ink": "#1f2933", "soft": "#52606d", "faint": "#7b8794", "line": "#e1e5ea", "page": "#f7f8fa", "card": "#ffffff",
    "accent": "#1f5fd0", "good": "#04705a", "fair": "#a14b05", "bad": "#b3202a",
    "c1": "#1f5fd0", "c2": "#c2570c", "c3": "#0a878c", "c4": "#413273", "c5": "#b68a66", "c6": "#3a9bd9", "c7": "#752305",
    "c8": "#652837", "r1": "#1f5fd0", "r2": "#5b74b8", "r3": "#86808f", "r4": "#a86f55", "r5": "#c2570c",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "ink": "#e4e7eb", "soft": "#aab4bf", "faint": "#7d8b99", "line": "#323f4b", "page": "#12161b", "card": "#1b2129",
    "accent": "#7aa7ff", "good": "#4cc9a4", "fair": "#f0a04b", "bad": "#ff8a8a",
    "c1": "#6ea0ff", "c2": "#f0a04b", "c3": "#31e9b0", "c4": "#115dfb", "c5": "#ffe800", "c6": "#02efff", "c7": "#068253",
    "c8": "#047d90", "r1": "#6ea0ff", "r2": "#8a9fdc", "r3": "#a8a0ae", "r4": "#cda07c", "r5": "#f0a04b",
}  # fmt: skip
N_SERIES = 8
N_RANKS = 5
N_FAINT = 5


def _declare(colors: Mapping[str, str], scheme: str) -> str:
    return f":root{{color-scheme:{scheme};{''.join(f'--{name}:{color};' for name, color in colors.items())}}}"


_SERIES = "".join(f".c{i}{{--c:var(--c{i})}}" for i in range(1, N_SERIES + 1))
_RANKS = "".join(f".r{i}{{--c:var(--r{i})}}" for i in range(1, N_RANKS + 1))
_DASHES = "".join(
    f".figure .line.faint.f{i}{{stroke-dasharray:{dashes}}}"
    for i, dashes in enumerate(("6 3", "2 3", "9 3 2 3", "1 4"), start=2)
)

COLORS = f"{_declare(LIGHT, 'light')}@media screen and (prefers-color-scheme:dark){{{_declare(DARK, 'dark')}}}"
MARKS = (
    ".figure{max-width:100%;height:auto;--c:var(--c1);print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    ".figure text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink);unicode-bidi:isolate;"
    "font-variant-numeric:tabular-nums}"
    ".figure .soft{fill:var(--soft)}.figure .good{fill:var(--good)}.figure .bad{fill:var(--bad)}.figure .small{font-size:10px}"
    f".figure .faint{{--c:var(--faint)}}{_SERIES}{_RANKS}.up{{--c:var(--c2)}}.down{{--c:var(--c1)}}"
    ".figure :is(.line,.whisker,.axis,.grid,.rule){fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}"
    ".figure .grid{stroke:var(--line);stroke-width:1}.figure .axis{stroke:var(--faint);stroke-width:1}"
    ".figure .rule{stroke:var(--faint);stroke-width:1;stroke-dasharray:4 4}"
    ".figure .whisker{stroke-width:1.5}.figure .over{stroke:var(--ink)}"
    ".figure .line:is(.c5,.c6,.c7,.c8){stroke-dasharray:6 3}.figure .line.faint{stroke-width:1.25}"
    f"{_DASHES}"
    ".figure .dots{fill:none;stroke:var(--c);stroke-width:6;stroke-linecap:round}"
    ".figure .dots.many{stroke-width:4.2;stroke-opacity:.75}.figure .dots.mark{stroke:var(--ink);stroke-width:9}"
    ".figure .bar{fill:var(--c)}.figure .bar.pale{fill-opacity:.35}.figure .cell.wrong{fill:var(--c2)}"
    ".figure .cell.right{fill:var(--c1)}.figure .cell.mixed{fill:var(--faint)}.figure .frame{fill:none;stroke:var(--line)}"
)
STYLE = COLORS + MARKS
