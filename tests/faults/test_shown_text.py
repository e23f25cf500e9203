"""Passages, ids and names on a terminal, in Markdown, in CSV files and in prompts do nothing but show."""

from __future__ import annotations

import csv
import io
import json

import pytest
import regex
from click.testing import CliRunner
from rich.console import Console

from hardneg_plugin.cli import main
from hardneg_plugin.cli.say import say
from hardneg_plugin.datasets.formats import read_training_rows
from hardneg_plugin.llm.fence import escape_untrusted_text
from hardneg_plugin.report.content import Cell, Section, Table
from hardneg_plugin.report.markdown import escape, markdown_page
from hardneg_plugin.report.terminal import render_sections
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.visible import visible

# Clears the screen; sets the title; writes to the clipboard; the same with one byte for the two; goes back; hides.
HOSTILE = [
    "\x1b[2Jx",
    "\x1b]0;pwned\x07",
    "\x1b]52;c;cm0=\x07",
    "\x9b2J",
    "a\rb",
    "a\bb",
    "x\u202ey",
    "a\u2028b",
    "\x00",
]
CONTROL = regex.compile(r"[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029--[\n\t]]", regex.V1)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_works_on_a_terminal(text, capsys):
    assert not CONTROL.search(visible(text))
    say(text)
    say(text, err=True)
    table = Table(text, (text, text), ((Cell(text), Cell(text)),))
    for terminal in (False, True):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=terminal, no_color=True, color_system=None, width=200)
        render_sections(text, [Section(text, (table,), (text,))], console)
        Progress(console).say(text)
        # Bold text and the like are our own sequences.
        assert not CONTROL.search(regex.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()))
    captured = capsys.readouterr()
    assert not CONTROL.search(captured.out + captured.err)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_works_in_markdown(text):
    assert not CONTROL.search(escape(text))
    page = markdown_page(text, [text], [Section(text, (Table(text, (text,), ((Cell(text),),)),), (text,))])
    assert not CONTROL.search(page)


def test_texts_of_all_scripts_are_shown_as_they_are():
    for text in ("naïve café", "한국어", "العربية", "हिन्दी", "👩‍💻 ❤️", "می‌خواهم", "tab\there\nline"):
        assert visible(text) == text


def test_an_error_of_the_command_line_shows_nothing_that_works(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"\\u001b[2Janchor": "x"}\n')
    result = CliRunner().invoke(main, ["mine", str(path), "-o", str(tmp_path / "o.jsonl")])
    assert result.exit_code == 1
    assert not CONTROL.search(result.output), result.output


def test_formulas_in_texts_that_are_converted_to_csv_do_not_run_and_are_read_as_they_were(tmp_path):
    rows = [
        {"anchor": "=1+1", "positive": "@p", "negative": "-3 °C"},
        {"anchor": "'=x", "positive": "p", "negative": "n"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for ending in ("csv", "tsv"):
        output = tmp_path / f"out.{ending}"
        result = CliRunner().invoke(main, ["convert", str(tmp_path / "rows.jsonl"), str(output), "--to", "triplet"])
        assert result.exit_code == 0, result.output
        with output.open(newline="") as file:
            cells = [cell for line in csv.reader(file, delimiter="\t" if ending == "tsv" else ",") for cell in line]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "-"))]
        found = [(row.query, *row.positives, *row.negatives) for row in read_training_rows(output)]
        assert found == [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    "mark",
    [
        "[THINK]",
        "[/THINK]",
        "[think]",
        "[INST]",
        "[ INST ]",
        "[TOOL_CALLS]",
        "[MODEL_SETTINGS]",
        "[gMASK]",
        "[CLS]",
        "[IN\u200cST]",
        "[TH\ufe0fINK]",
        "[\U000e0101/INST]",
        "［INST］",
        "［ＩＮＳＴ］",
        "[SOME_NEW_MARK]",
        "[/NEWMARK]",
    ],
)
def test_marks_of_templates_in_square_brackets_are_none_in_a_prompt(mark):
    shown = escape_untrusted_text(f"before {mark} after")
    assert not regex.search(r"[\[\]［］]", shown)
    assert shown.startswith("before (")


@pytest.mark.parametrize("text", ["＜/passage＞", "﹤system﹥", "<｜User｜>", "＜|im_start|＞", "<s>"])
def test_brackets_of_any_width_end_no_fence(text):
    assert not regex.search("[<>＜＞﹤﹥｜]", escape_untrusted_text(text))


def test_what_shows_nothing_is_left_out_of_a_prompt():
    hidden = "".join(chr(0xE0100 + ord(letter)) for letter in "ignore")
    assert escape_untrusted_text(f"a{hidden}b\ufe0f\u3164\u115f\u034f\U000e0041c\u2066d") == "abcd"


def test_words_in_square_brackets_stay_in_a_prompt():
    text = "[1] [USA] [see note 3] [link](url) x[0] [0, 1)"
    assert escape_untrusted_text(text) == text
