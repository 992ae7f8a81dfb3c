"""Show a page of Veritable in a notebook."""

import html
from dataclasses import dataclass
from pathlib import Path

from veritable.errors import UserError

_BASE = '<base href="about:srcdoc">'  # links to sections stay in the frame: without it they lead to the notebook's address


@dataclass(frozen=True)
class Page:
    """A page that a notebook shows as the value of a cell.

    It is shown in a frame of its own, so that neither its styles nor its script reach the notebook, nor those of the notebook
    the page. The page is a part of the output, so it is shown wherever the notebook is opened.

    Attributes
    ----------
    html
        The HTML of the page.
    height
        Height of the frame in pixels; a reader can change it with the mouse.
    """

    html: str
    height: int

    def __repr__(self) -> str:
        return f"<page of {len(self.html):,} characters, which a notebook shows>"

    def _repr_html_(self) -> str:
        """Return the frame, for IPython."""
        page = html.escape(self.html.replace("<head>", f"<head>{_BASE}", 1))
        style = f"width: 100%; height: {self.height}px; border: 0; resize: vertical; overflow: auto"
        return f'<iframe title="Report" sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{page}"></iframe>'


def show(path: str | Path = "reports/report.html", *, height: int = 800) -> Page:
    """Return a page as an object that a notebook shows.

    Parameters
    ----------
    path
        File of the report, or of another page that Veritable wrote.
    height
        Height of the frame in pixels.

    Raises
    ------
    UserError
        The file does not exist.

    Examples
    --------
    >>> import veritable
    >>> veritable.show("reports/report.html")  # doctest: +SKIP
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{path} must be an HTML page, but does not exist. Run `dvc repro`, or correct the path.")
    return Page(file.read_text("utf-8"), height)
