"""``hardneg mine``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hardneg_plugin.cli.options import overwrite_option
from hardneg_plugin.cli.say import say


class Similarity(click.ParamType):
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
@click.option("--model", help="Folder or hub id of a sentence-transformers model; without one BM25 mines.")
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
@click.option("--output-scores", is_flag=True, help="Write the model's scores.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random draw.")
@overwrite_option
def command(dataset: str, output: Path, overwrite: bool, **options: Any) -> None:
    """Mine hard negatives for DATASET and write rows for a sentence-transformers trainer.

    DATASET is a file of pairs (.jsonl, .csv, .tsv, .parquet) or a dataset spec. Statistics go to standard error.

    \b
    Examples:
      hardneg mine pairs.jsonl -o triplets.parquet
      hardneg mine beir:data/msmarco -o triplets.jsonl --model models/e5 --relative-margin 0.05
    """
    from datasets import disable_progress_bars

    from hardneg_plugin.api import mine
    from hardneg_plugin.datasets.spec import spec_of_file
    from hardneg_plugin.outputs import check_output
    from hardneg_plugin.run.triplets import write_file

    if output.suffix not in (".jsonl", ".parquet"):
        msg = f"-o {output}: expected a file that ends in .jsonl or .parquet"
        raise click.ClickException(msg)
    check_output(output, overwrite=overwrite, inputs=[dataset])
    rows, statistics = mine(spec_of_file(dataset), **options)
    disable_progress_bars()
    write_file(rows, output)
    say(json.dumps(statistics.to_dict(), indent=1, ensure_ascii=False), err=True)
    say(f"{len(rows):,} rows in {output}", err=True)
