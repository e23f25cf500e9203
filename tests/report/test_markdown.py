from pathlib import Path

import pytest

from hardneg_plugin.report import render_markdown
from hardneg_plugin.report.markdown import escape


def test_golden_report(example):
    expected = Path(__file__).with_name("report_expected.md").read_text(encoding="utf-8")
    assert render_markdown(example.REPORT) == expected


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
