from pathlib import Path

import pytest

from hardneg_plugin.report import render_markdown
from hardneg_plugin.report.markdown import escape


@pytest.mark.parametrize(
    ("report", "golden"), [("REPORT", "report_expected.md"), ("COMPARISON_REPORT", "comparison_expected.md")]
)
def test_golden_report(example, report, golden):
    expected = Path(__file__).with_name(golden).read_text(encoding="utf-8")
    assert render_markdown(getattr(example, report)) == expected


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("line\r\n\tbreak", "line break"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("[x](http://y)", r"\[x\](http://y)"),
        ("**bold** `code`", r"\*\*bold\*\* \`code\`"),
        ("known_positive", "known_positive"),
        ("_x_", r"\_x\_"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_text_shows_as_it_is(text, escaped):
    assert escape(text) == escaped
