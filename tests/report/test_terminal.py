import io

from rich.console import Console

from hardneg_plugin.report import render_terminal
from hardneg_plugin.report.tables import Cell, Table, report_sections
from hardneg_plugin.report.terminal import plain_table


def shown(report, **options):
    console = Console(file=io.StringIO(), width=200, color_system=None, **options)
    render_terminal(report, console)
    return console.file.getvalue()


def test_plain_tables_are_aligned_and_mark_the_best():
    table = Table("T", ("System", "RR@10"), ((Cell("a"), Cell("0.5")), (Cell("long name"), Cell("0.75", best=True))))
    assert plain_table(table) == "T\nSystem     RR@10\na            0.5\nlong name  0.75*"


def test_both_forms_hold_every_cell_and_note(example):
    boxed, plain = shown(example.REPORT, force_terminal=True), shown(example.REPORT, force_terminal=False)
    assert "┃" in boxed
    assert "┃" not in plain
    for section in report_sections(example.REPORT):
        texts = [section.title, *section.notes]
        for table in section.tables:
            texts += [table.title, *table.header, *(cell.text for row in table.rows for cell in row)]
        for text in texts:
            assert text in plain
            assert text in boxed


def test_plain_text_keeps_long_lines_and_brackets(example):
    from dataclasses import replace

    report = replace(example.REPORT, dataset="[bold]" + "x" * 300)
    assert "[bold]" + "x" * 300 in shown(report, force_terminal=False)
