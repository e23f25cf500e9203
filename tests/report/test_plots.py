"""Charts: well-formed, to scale, and the same for the same values."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hardneg_plugin.report.data import SplitResults, SystemResult
from hardneg_plugin.report.plots import Point, gain_against_budget, score_bars
from hardneg_plugin.report.svg import ticks

SVG = "{http://www.w3.org/2000/svg}"


def split(name: str, **means: float) -> SplitResults:
    results = tuple(
        SystemResult(system=system, means={"RR@10": mean}, deviations={}, by_language={}, seeds=())
        for system, mean in means.items()
    )
    return SplitResults(name, "d", "f", ("RR@10",), 1, 10, 0, results)


def labelled(drawing: str, kind: str) -> dict[str, ElementTree.Element]:
    """Return label → element of the elements that have one."""
    root = ElementTree.fromstring(drawing)
    found = {}
    for element in root.iter(SVG + kind):
        label = element.find(SVG + "title")
        if label is not None and ":" in label.text:
            found[label.text] = element
    return found


def test_bars_are_as_high_as_their_values():
    bars = labelled(score_bars("scores", [split("en", a=0.2, b=0.8), split("sw", a=0.4)]), "rect")
    heights = {label: float(bar.get("height")) for label, bar in bars.items()}
    assert set(heights) == {"a: 0.200", "b: 0.800", "a: 0.400"}
    assert heights["b: 0.800"] == pytest.approx(4 * heights["a: 0.200"], abs=0.2)
    assert heights["a: 0.400"] == pytest.approx(2 * heights["a: 0.200"], abs=0.2)


def test_a_higher_gain_stands_higher_and_a_longer_training_further_right():
    points = [Point("slow", 100.0, 0.01, -0.01, 0.03), Point("fast", 1.0, -0.02, -0.03, -0.01)]
    dots = labelled(gain_against_budget("gain", points), "circle")
    slow, fast = dots["slow: +0.010 [-0.010, +0.030], 100.0 s"], dots["fast: -0.020 [-0.030, -0.010], 1.0 s"]
    assert float(slow.get("cy")) < float(fast.get("cy"))
    assert float(slow.get("cx")) > float(fast.get("cx"))


def test_names_are_text_and_nothing_else():
    hostile = "<script>alert('1')</script>&"
    drawing = score_bars(hostile, [split("한국어 & <b>", **{hostile: 0.5})])
    root = ElementTree.fromstring(drawing)
    assert root.find(f".//{SVG}script") is None
    assert root.find(SVG + "title").text == hostile
    assert drawing == score_bars(hostile, [split("한국어 & <b>", **{hostile: 0.5})])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (-0.03, 0.01, [-0.03, -0.02, -0.01, 0.0, 0.01]), (0, 0, [0.0, 0.2])],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == expected


def test_equal_values_and_nothing_but_zero_can_be_drawn():
    ElementTree.fromstring(score_bars("zero", [split("en", a=0.0)]))
    ElementTree.fromstring(gain_against_budget("zero", [Point("a", 0.0, 0.0, 0.0, 0.0)]))
