"""``hardneg convert``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hardneg_plugin.cli.options import overwrite_option
from hardneg_plugin.cli.say import say

if TYPE_CHECKING:
    from hardneg_plugin.datasets.formats import WriteResult


@click.command("convert")
@click.argument("source")
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    required=True,
    help="Format of the output: sentence-transformers' triplet, n-tuple, labeled-pair and labeled-list, "
    "flagembedding, tevatron, tevatron-ids, pylate, pylate-triplet, ms-swift, ms-swift-reranker, hardneg.",
)
@click.option("--from", "origin", help="Format of the source; found out by its columns where it is not given.")
@click.option("--negatives", type=click.IntRange(1), help="Negatives of a row, the first ones; all if not given.")
@click.option("--min-negatives", type=click.IntRange(0), default=0, help="Leave out rows with fewer negatives.")
@click.option("--scores", is_flag=True, help="Write the scores; every passage must have one.")
@click.option("--scorer", help="Whose scores of a run; needed where several scored it.")
@click.option("--group", is_flag=True, help="Join rows of one query and positive that follow one another.")
@click.option("--split", default="train", show_default=True, help="Split of a dataset that has several.")
@click.option("--on-bad-row", type=click.Choice(["error", "skip"]), default="error", show_default=True)
@click.option("--card", is_flag=True, help="Write OUTPUT as the folder that a push sends: rows and a dataset card.")
@click.option("--push-to-hub", "repo", help="Send OUTPUT, written as with --card, to this dataset (owner/name).")
@click.option("--public", is_flag=True, help="Make a new repository public; it is private otherwise.")
@overwrite_option
@click.option("--audit", type=click.Path(path_type=Path, exists=True), help="JSON of hardneg audit, for the card.")
def command(source: str, output: Path, target: str, **options: Any) -> None:
    """Convert the training rows of SOURCE to another library's format in OUTPUT.

    SOURCE is a run folder (runs/NAME or runs/NAME/systems/SYSTEM/seed-N), a file, a folder of datasets.save_to_disk,
    or a dataset of the hub. OUTPUT is a file by its ending (.jsonl, .parquet, .csv) or, without one, a folder. A folder
    that hardneg did not write is never replaced.
    The hub's token is taken from HF_TOKEN, never from an option.

    \b
    Examples:
      hardneg convert triplets.jsonl train.jsonl --to flagembedding --group
      hardneg convert runs/quickstart/systems/bm25/seed-13 kd --to pylate --scorer cross-encoder
      hardneg convert 'mined.csv?anchor=question&positive=text' rows --to n-tuple --card
    """
    from hardneg_plugin.datasets.formats import FORMATS, write_training_rows
    from hardneg_plugin.datasets.formats.publish import build_repository, push, read_audit
    from hardneg_plugin.outputs import check_output
    from hardneg_plugin.run.finished.rows import read_rows

    repo, audit = options["repo"], options["audit"]
    published = options["card"] or repo is not None
    if target not in FORMATS:
        lines = "\n".join(f"  {name:18}{form.layout}" for name, form in FORMATS.items())
        msg = f"--to {target}: expected one of\n{lines}"
        raise click.UsageError(msg)
    if (audit or options["public"]) and not published:
        msg = "--audit and --public are for the dataset card; add --card or --push-to-hub"
        raise click.UsageError(msg)
    check_output(output, overwrite=options["overwrite"], inputs=[source])
    found = read_audit(audit) if audit else None
    reading = {name: options[name] for name in ("split", "group", "scorer")}
    rows = read_rows(source, options["origin"], options["on_bad_row"], **reading)
    for fault in rows.faults:
        say(f"left out: {fault}", err=True)
    writing = {name: options[name] for name in ("scores", "negatives", "min_negatives", "overwrite")}
    if published:
        written = build_repository(rows, output, target, title=repo or output.name, audit=found, **writing)
    else:
        written = write_training_rows(rows, output, target, **writing)
    say(f"{len(rows):,} rows read as {rows.format}, {written.rows:,} written as {target}: {output}", err=True)
    _say_counts(written, options["min_negatives"])
    _say_lost("not read", rows.unread)
    _say_lost(f"no place in {target} for", written.lost)
    if repo is not None:
        say(push(output, repo, private=not options["public"]))


def _say_counts(written: WriteResult, least: int) -> None:
    if written.left_out:
        say(f"{written.left_out:,} left out for fewer than {least} negatives", err=True)
    if written.padded:
        most = "--negatives N --min-negatives N gives all of them N"
        say(
            f"{written.padded:,} rows have fewer negatives than others and empty cells, which sentence-transformers' "
            f"trainer does not take; {most}",
            err=True,
        )
    if written.without_negatives:
        hint = "; FlagEmbedding and Tevatron cannot train on such rows (--min-negatives 1 leaves them out)"
        say(f"{written.without_negatives:,} rows have no negatives{hint}", err=True)


def _say_lost(what: str, lost: Mapping[str, int]) -> None:
    if lost:
        say(f"{what}: " + ", ".join(f"{name} ({rows:,} rows)" for name, rows in lost.items()), err=True)
