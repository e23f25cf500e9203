"""``hardneg benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hardneg_plugin.cli.options import without_telemetry
from hardneg_plugin.cli.say import say

if TYPE_CHECKING:
    from hardneg_plugin.run.suite import Suite


@click.command("benchmark")
@click.argument("suite")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder that {data} names.")
@click.option("--smoke", is_flag=True, help="Apply the suite's own settings for a small run.")
@click.option("--only", multiple=True, metavar="CELL", help="Run this cell; can be given more than once.")
@click.option("--model", "models", multiple=True, metavar="NAME=MODEL", help="Measure this model, too; repeatable.")
@click.option("--query-prompt", multiple=True, metavar="[NAME=]TEXT", help="Text before queries of a model given.")
@click.option("--corpus-prompt", multiple=True, metavar="[NAME=]TEXT", help="Text before passages of a model given.")
@click.option("--no-train", is_flag=True, help="Run no system: measure BM25 retrieval and the models given.")
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False), default="runs", show_default=True)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default="benchmarks/results",
    show_default=True,
    help="Folder of the tables and the JSON files.",
)
@click.option("--if-exists", type=click.Choice(["reuse", "overwrite", "error"]), default="reuse", show_default=True)
@click.option("--dry-run", is_flag=True, help="Print downloads, disk, memory, LLM calls and time; touch nothing.")
def command(
    suite: str,
    data: Path | None,
    smoke: bool,
    only: tuple[str, ...],
    models: tuple[str, ...],
    query_prompt: tuple[str, ...],
    corpus_prompt: tuple[str, ...],
    no_train: bool,
    runs: Path,
    results: Path,
    if_exists: Literal["reuse", "overwrite", "error"],
    dry_run: bool,
) -> None:
    """Run SUITE (a name or a file): its systems on all of its data, in tables side by side.

    Stop it at any time; the same command goes on where it stopped.

    \b
    Examples:
      hardneg benchmark pooled --data DATA
      hardneg benchmark pooled --data DATA --smoke --results /tmp/smoke
      hardneg benchmark msmarco --dry-run
      hardneg benchmark tydi --no-train --model e5=intfloat/multilingual-e5-small \\
        --query-prompt "query: " --corpus-prompt "passage: "
    """
    if dry_run:
        without_telemetry()
    from hardneg_plugin.recipe.find import find_suite
    from hardneg_plugin.run.benchmark import run_suite
    from hardneg_plugin.run.suite import load_suite

    named = _named(models)
    loaded = load_suite(
        find_suite(suite),
        data or Path.cwd(),
        smoke=smoke,
        only=only,
        models=named,
        prompts=_prompts(named, query_prompt, corpus_prompt),
        train=not no_train,
    )
    if dry_run:
        _print_costs(loaded)
        return
    _announce(loaded)
    run_suite(loaded, runs, results, if_exists=if_exists)
    page = results / f"{loaded.page}.md"
    say(page.read_text("utf-8"))
    say(f"Results: {page}", err=True)


def _named(models: tuple[str, ...]) -> dict[str, str]:
    named = dict(model.partition("=")[::2] for model in models)
    if broken := [name for name, model in named.items() if not model]:
        msg = f"--model {broken[0]}: expected NAME=MODEL"
        raise click.UsageError(msg)
    return named


def _prompts(models: dict[str, str], queries: tuple[str, ...], passages: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return the texts of each model; one without a name is for all of them."""
    if (queries or passages) and not models:
        msg = "--query-prompt and --corpus-prompt are for models given with --model"
        raise click.UsageError(msg)
    found: dict[str, dict[str, str]] = {}
    for kind, given in (("query", queries), ("passage", passages)):
        for option in given:
            name, mark, text = option.partition("=")
            meant = {name: text} if mark and name in models else dict.fromkeys(models, option)
            for model, prompt in meant.items():
                found.setdefault(model, {})[kind] = prompt
    return found


def _announce(suite: Suite) -> None:
    """Say how long each cell will take on this machine, about."""
    import torch

    from hardneg_plugin.run.estimate import estimate

    for cell in suite.cells:
        cost = estimate(cell.recipe, gpu=torch.cuda.is_available())
        say(f"{cell.name}: {cost.lines()[-1]}", err=True)


def _print_costs(suite: Suite) -> None:
    from hardneg_plugin.run.estimate import estimate

    for cell in suite.cells:
        say(f"{suite.name}, {cell.name}:")
        cores, card = (estimate(cell.recipe, gpu=gpu) for gpu in (False, True))
        # The last line is the time; a static model needs no card.
        times = [card.lines()[-1], cores.lines()[-1]] if card.device != cores.device else [cores.lines()[-1]]
        for line in [*cores.lines()[:-1], *times]:
            say(f"  {line}")
