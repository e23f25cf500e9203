"""``hardneg refilter``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from hardneg_plugin.cli.options import overwrite_option, set_option
from hardneg_plugin.cli.say import say


@click.command("refilter")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@set_option
@click.option("--system", help="System of the run; needed where several mine.")
@click.option("--seed", type=int, help="Seed of the run; its first where it is left out.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write triplets: .jsonl, .parquet, or a folder of a dataset.",
)
@click.option(
    "--shape",
    type=click.Choice(["n-tuple", "triplet", "labeled-pair", "labeled-list"]),
    default="n-tuple",
    show_default=True,
)
@click.option("--num-negatives", type=click.IntRange(1), help="Negatives of a row; all that are kept if left out.")
@click.option("--ids", is_flag=True, help="Write ids of queries and passages.")
@click.option("--scores", metavar="SCORER", help="Write the scores of this scorer.")
@overwrite_option
def command(
    run: Path,
    overrides: tuple[str, ...],
    system: str | None,
    seed: int | None,
    output: Path | None,
    shape: str,
    num_negatives: int | None,
    ids: bool,
    scores: str | None,
    overwrite: bool,
) -> None:
    """Apply other settings to the stored candidates of RUN, a finished run folder.

    Margins, what happens to each label of a judge, samples and the shape of the triplets change in seconds, without a
    model; the run itself stays as it is.

    \b
    Examples:
      hardneg refilter runs/compare --system dense-positive-aware \\
        --set systems.dense-positive-aware.positive_aware.relative_margin=0.1 -o triplets.parquet
    """
    if output is not None:
        _check_output(output, overwrite)
    from hardneg_plugin.components import TripletBuilder
    from hardneg_plugin.outputs import new_folder
    from hardneg_plugin.run.finished.refilter import refilter
    from hardneg_plugin.run.triplets import write_rows

    result = refilter(run, overrides, system=system, seed=seed)
    say(f"{result.system}: stages run again: {', '.join(result.again) or 'none, nothing changed'}", err=True)
    _show(result.before, result.after)
    if output is not None:
        builder = TripletBuilder(shape=shape, num_negatives=num_negatives, ids=ids, scores=scores)  # type: ignore[arg-type]
        if output.suffix:
            count = write_rows(result.shards, output, builder)
        else:
            with new_folder(output, overwrite=overwrite) as folder:
                count = write_rows(result.shards, folder, builder)
        say(f"{count:,} rows in {output}", err=True)


def _check_output(output: Path, overwrite: bool) -> None:
    from hardneg_plugin.outputs import check_output

    if output.suffix not in ("", ".jsonl", ".parquet"):
        msg = f"-o {output}: expected a file that ends in .jsonl or .parquet, or a folder"
        raise click.ClickException(msg)
    check_output(output, overwrite=overwrite)


def _show(before: Counter[str], after: Counter[str]) -> None:
    for reason in sorted(before.keys() | after.keys()):
        say(f"  {reason or 'kept'}: {before[reason]:,} -> {after[reason]:,}", err=True)
