"""``hardneg run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hardneg_plugin.cli.options import recipe_argument, set_option, without_telemetry
from hardneg_plugin.cli.say import say

if TYPE_CHECKING:
    from hardneg_plugin.recipe.schema import Recipe


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
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    help="What computes the stages, in place of the recipe's own: this process, or tasks on a Ray cluster.",
)
@click.option(
    "--dry-run", is_flag=True, help="Print stages, downloads, disk, memory, LLM calls and time; touch nothing."
)
@click.pass_context
def command(
    context: click.Context,
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    if_exists: Literal["reuse", "overwrite", "error"],
    budget: str | None,
    record: Path | None,
    engine: str | None,
    dry_run: bool,
) -> None:
    """Run RECIPE (a name or a file): mine, train, evaluate, report.

    Stop it at any time; the same command goes on where it stopped.

    \b
    Examples:
      hardneg run quickstart
      hardneg run phase1_bm25 --set data.dataset=beir:data/msmarco --set seed=7
      hardneg run phase3_llm --dry-run
      hardneg run phase3_llm --budget "90 minutes" --record answers.jsonl
    """
    if dry_run:
        without_telemetry()
    from rich.console import Console

    from hardneg_plugin.recipe.find import builtin_suites
    from hardneg_plugin.recipe.load import load_recipe
    from hardneg_plugin.report import render_terminal
    from hardneg_plugin.run.runner import run_recipe

    if recipe in builtin_suites():
        _run_suite(context, recipe, runs, if_exists, given=bool(overrides or budget or record or engine or dry_run))
        return
    loaded = load_recipe(
        recipe,
        [*overrides, *([f"engine={engine}"] if engine else [])],
        inputs="none" if dry_run else "all",
    )
    if dry_run:
        _print_cost(loaded)
        return
    report = run_recipe(loaded, runs, if_exists=if_exists, budget=budget, record=record)
    render_terminal(report, Console())
    say(f"\nReport: {runs / loaded.name / 'report.md'}", err=True)


def _print_cost(recipe: Recipe) -> None:
    """Print what a run would do and take."""
    from hardneg_plugin.run.estimate import estimate

    for name, stages in recipe.systems.items():
        say(f"{name}: {' > '.join(stage.name for stage in stages) or 'in-batch negatives alone'}")
    lines = estimate(recipe, gpu=recipe.train is not None).lines()
    if recipe.train is not None:
        # The last line is the time; a model that needs no card has it once.
        lines = list(dict.fromkeys([*lines, estimate(recipe, gpu=False).lines()[-1]]))
    for line in lines:
        say(f"  {line}")


def _run_suite(context: click.Context, suite: str, runs: Path, if_exists: str, *, given: bool) -> None:
    """Run a suite under the name of a recipe: several recipes, one after the other."""
    from hardneg_plugin.cli.benchmark import command as benchmark

    if given:
        msg = (
            f"{suite} is a suite of recipes, which takes no --set, --budget or --record, nor --engine or --dry-run; "
            "see hardneg benchmark --help"
        )
        raise click.UsageError(msg)
    context.invoke(benchmark, suite=suite, runs=runs, results=runs / "results", if_exists=if_exists)
