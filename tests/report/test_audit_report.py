"""The forms of an audit's report."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from rich.console import Console

from hardneg_plugin.evaluation.audit.findings import Finding
from hardneg_plugin.report.audit import (
    AuditRate,
    AuditReport,
    Breakdown,
    Distribution,
    ReadingExample,
    render_audit_markdown,
    render_audit_terminal,
    render_page,
)

HOSTILE = "<script>alert('x')</script> & [a](http://b) |"


@pytest.fixture
def report():
    return AuditReport(
        source=f"file {HOSTILE}",
        format="triplet",
        counts={"rows": 2_000, "negatives": 4_000},
        findings=(
            Finding(
                "query_as_negative",
                "The query",
                "Bad.",
                "error",
                40,
                4_000,
                "negatives",
                tuple(range(1, 41)),
                (HOSTILE,),
            ),
            Finding("empty_texts", "Empty", "Bad.", "error", 0, 8_000, "texts"),
        ),
        rates=(
            AuditRate("false_negative_rate", "", "", 0.25, 0.2, 0.31, 200, 50, 4_000, "corrected"),
            AuditRate("false_negative_rate", "source", HOSTILE, 0.5, 0.4, 0.6, 100, 100, 2_000, "qrels"),
            AuditRate("judge_rate", "", "", 0.4, 0.3, 0.5, 200, 0, 4_000, "judge"),
        ),
        figures={"rows": 2_000, "query_as_negative": 0.01},
        distributions=(
            Distribution(
                "length", "Length", (1.0, 10.0, 100.0), {"queries": (3, 1), HOSTILE: (0, 2)}, {"queries": {"50 %": 8.0}}
            ),
        ),
        mixes=(Breakdown("languages", "Languages", {"queries": {"ko": 3, HOSTILE: 1}}),),
        examples=(ReadingExample(7, (), "en", HOSTILE, (HOSTILE,), ((HOSTILE, f"rank 1 {HOSTILE}"),)),),
        notes=("A note.",),
    )


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_runs_nothing_fetches_nothing_and_shows_texts_as_they_are(report):
    page = Elements()
    page.feed(render_page(report))
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "a", "object", "base"})
    assert {"table", "svg", "style", "article"} <= names
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}
    assert page.text.count(HOSTILE) >= 5
    assert "default-src 'none'" in str(page.tags)


def test_the_charts_are_on_the_page(report):
    page = render_page(report)
    assert page.count("<svg ") == 4
    assert "queries, 1 to 10: 75.0%" in page


def test_json_has_all_row_numbers_and_shares(report):
    data = json.loads(report.to_json())
    assert data["findings"][0]["rows"] == list(range(1, 41))
    assert data["findings"][0]["share"] == 0.01
    assert data["figures"] == {"rows": 2_000, "query_as_negative": 0.01}


def test_markdown_escapes_and_shows_the_first_rows(report):
    text = render_audit_markdown(report)
    assert "<script>" not in text
    assert "| query_as_negative | error | 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … | 40 | 4,000 negatives | 1.00% |" in text
    assert "Looked for and not found: empty_texts." in text
    assert "## Row 7" in text


def test_the_terminal_names_the_judge_s_rate_as_such(report, capsys):
    render_audit_terminal(report, Console(width=200))
    shown = capsys.readouterr().out
    assert "The judge's rate: how often it says" in shown
    assert "0.200 to 0.310" in shown
    assert "200 (50 labelled)" in shown


def test_a_rate_s_figure_names_its_group(report):
    assert [rate.figure for rate in report.rates] == [
        "false_negative_rate",
        f"false_negative_rate[source={HOSTILE}]",
        "judge_rate",
    ]
