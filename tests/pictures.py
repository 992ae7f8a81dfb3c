"""Read figures, for their tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from xml.etree import ElementTree

from veritable.figures.svg import Figure
from veritable.figures.text import text_width

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Box:
    """A text with the box that it is drawn in."""

    text: str
    left: float
    right: float
    top: float
    bottom: float


def parse(figure: Figure) -> ElementTree.Element:
    """Return the picture; fail if it is no well-formed XML, or has what a picture of ours never has."""
    root = ElementTree.fromstring(figure.document)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= {"svg", "style", "title", "desc", "text", "line", "path", "rect", "g"}
    for each in root.iter():
        numbers = " ".join(value for name, value in each.attrib.items() if name not in ("class", "role"))
        assert not any(word in numbers for word in ("nan", "inf", "None")), each.attrib
        assert not any(name.startswith("on") or name.endswith("href") for name in each.attrib)
    return root


def texts(figure: Figure) -> list[str]:
    """Return the texts of a picture, as they are drawn."""
    return [each.text or "" for each in parse(figure).iter(f"{SVG}text")]


def count(figure: Figure, class_: str, tag: str = "rect") -> int:
    """Count elements of a class."""
    return sum(class_ in (each.get("class") or "").split() for each in parse(figure).iter(f"{SVG}{tag}"))


def count_dots(figure: Figure, class_: str = "many") -> int:
    """Count dots of a class."""
    paths = parse(figure).iter(f"{SVG}path")
    return sum((each.get("d") or "").count("h0") for each in paths if class_ in (each.get("class") or "").split())


def boxes(figure: Figure) -> Iterator[Box]:
    """Yield each text that is not turned, with the box that it has in the widest usual font."""
    for each in parse(figure).iter(f"{SVG}text"):
        if each.get("transform"):
            continue
        size = 10 if "small" in (each.get("class") or "") else 12
        width = float(each.get("textLength") or text_width(each.text or "", size))
        x, y = float(each.get("x", "")), float(each.get("y", ""))
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[each.get("text-anchor", "start")]
        yield Box(each.text or "", left, left + width, y - 0.93 * size, y + 0.24 * size)


def assert_readable(figure: Figure) -> None:
    """Fail if a text lies outside the picture or over another one."""
    width, height = map(float, parse(figure).get("viewBox", "").split()[2:])
    found = list(boxes(figure))
    for box in found:
        assert box.left >= -0.6 and box.right <= width + 0.6 and box.top >= -0.6 and box.bottom <= height + 0.6, (box, width)
    for one, other in combinations(found, 2):
        apart = one.right <= other.left + 0.6 or other.right <= one.left + 0.6
        assert apart or one.bottom <= other.top + 0.6 or other.bottom <= one.top + 0.6, (one, other)
