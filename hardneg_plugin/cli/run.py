"""``hardneg run``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from hardneg_plugin.cli.options import recipe_argument, set_option


@click.command("run")
@recipe_argument
@set_option
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default="runs",
    show_default=True,
    help="Folder of run folders.",
)
@click.option(
    "--if-exists",
    type=click.Choice(["reuse", "overwrite", "error"]),
    default="reuse",
    show_default=True,
    help="What to do with an earlier run of that name: go on with it, remove it, or stop.",
)
@click.option(
    "--budget", metavar="AMOUNT", help='Most to spend on a language model: "500 calls", "2M tokens", "90 minutes".'
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append every answer of a language model to this file, for replay without one.",
)
def command(
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    if_exists: Literal["reuse", "overwrite", "error"],
    budget: str | None,
    record: Path | None,
) -> None:
    """Run RECIPE (a name or a file): mine, train, evaluate, report.

    Stop it at any time; the same command goes on where it stopped.

    \b
    Examples:
      hardneg run quickstart
      hardneg run phase1_bm25 --set data.dataset=beir:data/msmarco --set seed=7
      hardneg run phase3_llm --budget "90 minutes" --record answers.jsonl
    """
    from rich.console import Console

    from hardneg_plugin.recipe.load import load_recipe
    from hardneg_plugin.recipe.run import run_recipe
    from hardneg_plugin.report import render_terminal

    loaded = load_recipe(recipe, overrides)
    report = run_recipe(loaded, runs, if_exists=if_exists, budget=budget, record=record)
    render_terminal(report, Console())
    click.echo(f"\nReport: {runs / loaded.name / 'report.md'}", err=True)
