"""``hardneg audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hardneg_plugin.cli.options import overwrite_option
from hardneg_plugin.cli.say import say

if TYPE_CHECKING:
    from hardneg_plugin.api import Audit

GATE_STATUS = 3
"""Exit status of an audit that a gate fails: 1 is an error, 2 a wrong option."""
_FILES = {".html": "page", ".md": "Markdown", ".json": "JSON"}


@click.command("audit")
@click.argument("source")
@click.option(
    "-o",
    "--output",
    "outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File to write: .html, .md or .json (with all row numbers); may be given again.",
)
@click.option("--format", help="Format of the rows; told by their content by default.")
@click.option("--source-split", default="train", show_default=True, help="Split of a source that has several.")
@click.option("--system", help="System of a run folder; the only one that mines by default.")
@click.option(
    "--on-bad-row",
    type=click.Choice(["skip", "error"]),
    default="skip",
    show_default=True,
    help="Report rows that cannot be read, or stop at the first.",
)
@click.option("--qrels", "--dataset", "qrels", metavar="SPEC", help="Dataset whose judgements tell false negatives.")
@click.option("--split", help="Its split; the only one by default.")
@click.option("--relevance", type=click.IntRange(1), default=1, show_default=True, help="Lowest relevant grade.")
@click.option("--labels", type=click.Path(exists=True, dir_okay=False), help="CSV file of a person's labels.")
@click.option("--test", metavar="SPEC", help="Dataset that will be measured on, for leakage.")
@click.option("--test-split", help="Its split; the only one by default.")
@click.option("--model", help="Folder or hub id: scores positives and negatives; BM25 without one.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Rows in a training batch.")
@click.option("--batch-plan", type=click.Path(path_type=Path), help="File for batches without in-batch conflicts.")
@click.option(
    "--fewest-negatives", type=click.IntRange(1), help="Report queries with fewer; half the median by default."
)
@click.option("--examples", type=click.IntRange(0), default=20, show_default=True, help="Rows to read in the report.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every draw.")
@overwrite_option
@click.option("--fail-if", "gates", multiple=True, metavar="GATE", help="Condition to fail by; may be given again.")
@click.option("--explain", metavar="QUERY_ID", help="Only print a run's candidates of one query, and why each is kept.")
def command(
    source: str,
    outputs: tuple[Path, ...],
    batch_plan: Path | None,
    gates: tuple[str, ...],
    explain: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Audit SOURCE: how many of its negatives are positives, and what else is wrong with it.

    SOURCE is a file, folder or hub dataset of training rows (sentence-transformers triplets, n-tuples, labelled pairs
    and lists, FlagEmbedding, Tevatron, PyLate, ms-swift) or a run folder.

    A gate is NAME OPERATOR NUMBER, where NAME is one of the report's figures: a check's name is its share and
    NAME.count its count; false_negative_rate.high is the upper end of its interval. A gate that holds ends the command
    with status 3.

    \b
    Examples:
      hardneg audit triplets.jsonl -o audit.html
      hardneg audit runs/quickstart --system bm25 --qrels sample --split train-full
      hardneg audit train.jsonl --test beir:data/msmarco --test-split test --fail-if "query_as_negative.count > 0"
      hardneg audit runs/quickstart --system bm25 --explain de-town-000000-founded
    """
    from rich.console import Console

    if explain is not None:
        _explain(source, explain, options["system"])
        return
    from hardneg_plugin.api import audit
    from hardneg_plugin.evaluation.audit.gates import parse_gate
    from hardneg_plugin.outputs import check_output
    from hardneg_plugin.report.audit import render_audit_terminal

    # What cannot work is said before the work.
    parsed = [parse_gate(gate) for gate in gates]
    _check_outputs(outputs, source, overwrite)
    if batch_plan is not None:
        check_output(batch_plan, overwrite=overwrite, inputs=[source])
    found = audit(source, **options)
    render_audit_terminal(found.report, Console())
    _write(found, outputs, batch_plan)
    failed = [line for gate in parsed if (line := gate.failed(found.report.figures))]
    for line in failed:
        say(f"FAILED: {line}", err=True)
    if failed:
        raise SystemExit(GATE_STATUS)


def _check_outputs(outputs: tuple[Path, ...], source: str, overwrite: bool) -> None:
    from hardneg_plugin.outputs import check_output

    for path in outputs:
        if path.suffix not in _FILES:
            msg = f"-o {path}: expected a file that ends in {', '.join(_FILES)}"
            raise click.ClickException(msg)
        check_output(path, overwrite=overwrite, inputs=[source])


def _write(found: Audit, outputs: tuple[Path, ...], batch_plan: Path | None) -> None:
    from hardneg_plugin.files import write_atomically
    from hardneg_plugin.report.audit import render_audit_markdown, render_page

    for path in outputs:
        report = found.report
        text = {".html": render_page, ".md": render_audit_markdown, ".json": type(report).to_json}[path.suffix](report)
        write_atomically(path, text)
        say(f"{_FILES[path.suffix]} in {path}", err=True)
    if batch_plan is not None:
        found.plan.write(batch_plan)
        say(f"{len(found.plan.batches):,} batches in {batch_plan}", err=True)


def _explain(source: str, query: str, system: str | None) -> None:
    from hardneg_plugin.report.content import Cell, Table
    from hardneg_plugin.report.terminal import plain_table
    from hardneg_plugin.run.finished.audit import candidate_lines, find_example, is_run
    from hardneg_plugin.visible import visible

    if not is_run(source):
        msg = f"{source} is no run folder: only a run knows why a negative was chosen"
        raise click.ClickException(msg)
    example = find_example(source, query, system)
    header = ("Passage", "Found by", "Scores", "Verdict", "Became", "Text")
    rows = tuple(tuple(Cell(_cut(visible(value))) for value in line) for line in candidate_lines(example))
    lines = [f"{example.id}: {example.query}"]
    lines += [f"positive {positive.id}: {_cut(positive.content or '')}" for positive in example.positives]
    say("\n".join([*lines, plain_table(Table("", header, rows, text_columns=6))]))


def _cut(text: str, most: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
