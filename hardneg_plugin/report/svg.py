"""Small charts as SVG text: no library, no script, the same bytes for the same values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

# Okabe and Ito (2008): told apart with any colour vision.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#999999", "#f0e442")
_FONT = "font-family='system-ui, sans-serif' font-size='12'"


def page(width: float, height: float, title: str, body: Sequence[str]) -> str:
    """Return a drawing.

    :param width: In pixels.
    :param height: In pixels.
    :param title: What it shows, for readers and for screen readers.
    :param body: Elements.
    """
    shown = escape(title)
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}' "
        f"viewBox='0 0 {width:g} {height:g}' role='img' {_FONT}>",
        f"<title>{shown}</title>",
        f"<rect width='{width:g}' height='{height:g}' fill='#ffffff'/>",
        text(width / 2, 20, title, anchor="middle", weight="bold"),
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal", turn: float = 0) -> str:
    """Return words at a place; ``turn`` in degrees around it."""
    turned = f" transform='rotate({turn:g} {x:.1f} {y:.1f})'" if turn else ""
    style = f" font-weight='{weight}'" if weight != "normal" else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'{style}{turned}>{escape(words)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, colour: str = "#333333") -> str:
    """Return a line."""
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"


def bar(x: float, y: float, width: float, height: float, colour: str, label: str) -> str:
    """Return a bar whose label shows when it is pointed at."""
    position = f"x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
    return f"<rect {position} fill='{colour}'><title>{escape(label)}</title></rect>"


def dot(x: float, y: float, colour: str, label: str) -> str:
    """Return a point whose label shows when it is pointed at."""
    return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='{colour}'><title>{escape(label)}</title></circle>"


def legend(x: float, y: float, names: Sequence[str]) -> Iterator[str]:
    """Yield a legend, one line a name."""
    for number, name in enumerate(names):
        yield bar(x, y + 18 * number, 12, 12, COLOURS[number % len(COLOURS)], name)
        yield text(x + 18, y + 18 * number + 11, name)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten) from below ``low`` to above ``high``."""
    span = (high - low) or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first, last = math.floor(low / step), math.ceil(high / step)
    last += first == last
    return [round(number * step, 10) for number in range(first, last + 1)]
