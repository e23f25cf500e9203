import io

import pytest
from rich.console import Console

from hardneg_plugin.report import render_terminal
from hardneg_plugin.report.content import Cell, Table
from hardneg_plugin.report.tables import report_sections
from hardneg_plugin.report.terminal import plain_table


def shown(report, **options):
    console = Console(file=io.StringIO(), width=200, color_system=None, **options)
    render_terminal(report, console)
    return console.file.getvalue()


def test_plain_tables_are_aligned_and_mark_the_best():
    table = Table("T", ("System", "RR@10"), ((Cell("a"), Cell("0.5")), (Cell("long name"), Cell("0.75", best=True))))
    assert plain_table(table) == "T\nSystem     RR@10\na            0.5\nlong name   0.75*"


def test_marks_hang_beside_numbers_that_stay_aligned():
    rows = (
        (Cell("a"), Cell("0.500"), Cell("7")),
        (Cell("b"), Cell("0.625", mark="▼"), Cell("7")),
        (Cell("c"), Cell("0.750", best=True, mark="▲"), Cell("7")),
    )
    assert plain_table(Table("", ("System", "RR@10", "Queries"), rows)).splitlines() == [
        "System  RR@10    Queries",
        "a       0.500          7",
        "b       0.625▼         7",
        "c       0.750*▲        7",
    ]


def test_a_terminal_shows_marks_and_leaves_details_to_the_files(example):
    for options in ({"force_terminal": True}, {"force_terminal": False}):
        text = shown(example.COMPARISON_REPORT, **options)
        assert "0.777▲" in text.replace(" ", "")
        assert "+0.039 [+0.020, +0.050]" not in text
        assert "-0.030 [-0.051, -0.010]" in text


@pytest.mark.parametrize("report", ["REPORT", "COMPARISON_REPORT"])
def test_both_forms_hold_every_cell_and_note(example, report):
    report = getattr(example, report)
    boxed, plain = shown(report, force_terminal=True), shown(report, force_terminal=False)
    assert "┃" in boxed
    assert "┃" not in plain
    for section in report_sections(report):
        texts = [section.title, *section.notes]
        for table in (table for table in section.tables if not table.detail):
            texts += [table.title, *table.header, *(cell.text for row in table.rows for cell in row)]
        for text in texts:
            assert text in plain
            assert text in boxed


def test_plain_text_keeps_long_lines_and_brackets(example):
    from dataclasses import replace

    report = replace(example.REPORT, dataset="[bold]" + "x" * 300)
    assert "[bold]" + "x" * 300 in shown(report, force_terminal=False)
