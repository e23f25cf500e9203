"""``hardneg mine``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hardneg_plugin.cli.options import corpus_prompt_option, overwrite_option, query_prompt_option
from hardneg_plugin.cli.say import say

if TYPE_CHECKING:
    from hardneg_plugin.api import MiningStatistics

# Queries without rows that the terminal lists; Python has all of them.
_SHOWN = 10


class Similarity(click.ParamType[float | None]):
    """A similarity above 0 and up to 1, or ``none``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Read what was given."""
        if value is None or value == "none":
            return None
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number <= 1:
            self.fail(f"{value!r} is neither a number above 0 and up to 1 nor none", param, ctx)
        return number


@click.command("mine")
@click.argument("dataset")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write: .jsonl or .parquet."
)
@click.option("--corpus", help="Further passages: .jsonl, .csv, .tsv, .parquet or .txt; with --qrels all of them.")
@click.option("--qrels", help="Judgements: DATASET then holds queries, and both have ids.")
@click.option("--anchor-column", "anchor_column_name", help="Column of the queries.")
@click.option("--positive-column", "positive_column_name", help="Column of the positives.")
@click.option("--model", help="Folder or hub id of a sentence-transformers model; without one BM25 mines.")
@click.option("--cross-encoder", help="Folder or hub id of a cross-encoder, whose scores margins then compare.")
@query_prompt_option
@corpus_prompt_option
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Texts read at once.")
@click.option("--split", default="train", show_default=True, help="Split of the dataset.")
@click.option("--num-negatives", type=click.IntRange(1), default=3, show_default=True, help="Negatives per query.")
@click.option("--range-min", type=click.IntRange(0), default=0, show_default=True, help="Best ranks to skip.")
@click.option("--range-max", type=click.IntRange(1), default=100, show_default=True, help="Candidates per query.")
@click.option("--sampling-strategy", type=click.Choice(["top", "random"]), default="top", show_default=True)
@click.option("--relative-margin", type=float, help="Keep below the positive's score less this share of it.")
@click.option("--absolute-margin", type=float, help="Keep below the positive's score less this.")
@click.option("--max-score", type=float, help="Highest score of a negative.")
@click.option("--min-score", type=float, help="Lowest score of a negative.")
@click.option(
    "--near-duplicate",
    type=Similarity(),
    default=0.9,
    show_default=True,
    help="Similarity to a positive, up to 1, from which a passage is a copy of it; none compares whole texts.",
)
@click.option(
    "--output-format",
    type=click.Choice(["triplet", "n-tuple", "labeled-pair", "labeled-list"]),
    default="triplet",
    show_default=True,
)
@click.option(
    "--on-few-negatives",
    type=click.Choice(["drop", "fill", "keep"]),
    default="drop",
    show_default=True,
    help="Leave out queries with too few negatives, fill them up, or keep empty cells (hardneg's trainer takes them).",
)
@click.option("--output-scores", is_flag=True, help="Write the model's scores.")
@click.option("--on-bad-row", type=click.Choice(["error", "skip"]), default="error", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random draws.")
@overwrite_option
def command(dataset: str, output: Path, overwrite: bool, **options: Any) -> None:
    """Mine hard negatives for DATASET and write rows for a sentence-transformers trainer.

    DATASET is a file of pairs (.jsonl, .csv, .tsv, .parquet) or a dataset spec. Every row can be trained on. Statistics
    and what was left out go to standard error.

    \b
    Examples:
      hardneg mine pairs.jsonl -o triplets.parquet
      hardneg mine pairs.csv -o tuples.jsonl --corpus passages.jsonl --output-format n-tuple --on-few-negatives fill
      hardneg mine beir:data/msmarco -o triplets.jsonl --model models/e5 --relative-margin 0.05
    """
    from datasets import disable_progress_bars

    from hardneg_plugin.api import mine
    from hardneg_plugin.outputs import check_output
    from hardneg_plugin.run.triplets import write_file

    if output.suffix not in (".jsonl", ".parquet"):
        msg = f"-o {output}: expected a file that ends in .jsonl or .parquet"
        raise click.ClickException(msg)
    check_output(output, overwrite=overwrite, inputs=[dataset])
    rows, statistics = mine(dataset, **options)
    disable_progress_bars()
    _say_statistics(statistics)
    write_file(rows, output)
    say(f"{len(rows):,} rows in {output}", err=True)
    if not len(rows):
        say("no row is left to train on; what dropped the candidates is said above", err=True)


def _say_statistics(statistics: MiningStatistics) -> None:
    found = statistics.to_dict()
    listed = found["left_out_queries"]
    found["left_out_queries"] = listed[:_SHOWN]
    say(json.dumps(found, indent=1, ensure_ascii=False), err=True)
    if len(listed) > _SHOWN:
        say(f"… and {len(listed) - _SHOWN:,} more queries left out", err=True)
    for part, kinds in statistics.skipped.items():
        counts = ", ".join(f"{kind}: {count:,}" for kind, count in kinds.items())
        say(f"skipped rows of {part}: {counts}", err=True)
    for line in statistics.hints:
        say(line.replace("on_few_negatives='fill'", "--on-few-negatives fill"), err=True)
