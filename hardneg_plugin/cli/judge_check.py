"""``hardneg judge-check``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.options import recipe_argument, set_option
from hardneg_plugin.cli.say import say


@click.command("judge-check")
@recipe_argument
@set_option
@click.option("--languages", metavar="CODES", help="ISO 639-1 codes, with commas; all there are by default.")
@click.option("--require", "lowest", type=click.FloatRange(0, 1), help="End with status 1 below this share.")
def command(recipe: str, overrides: tuple[str, ...], languages: str | None, lowest: float | None) -> None:
    """Ask the judge of RECIPE (a name or a file) about pairs whose kind is known, and print what it says.

    Each query comes with a passage that answers it, one that only seems to, and an unrelated one; some passages give
    the judge instructions. Answers are cached: a second check of the same model costs nothing.

    \b
    Examples:
      hardneg judge-check phase3_llm
      hardneg judge-check phase3_llm --set llm.model=qwen3:8b --languages en,ko --require 0.8
    """
    from hardneg_plugin.recipe.load import load_recipe
    from hardneg_plugin.run.llm_session import check_judge_of, recipe_session
    from hardneg_plugin.run.progress import Progress

    loaded, progress = load_recipe(recipe, overrides), Progress()
    wanted = [code.strip() for code in languages.split(",")] if languages else None
    with recipe_session(loaded, progress, None, None):
        report = check_judge_of(loaded, progress, wanted)
    say("\n".join(report.lines()))
    if lowest is not None and report.accuracy < lowest:
        raise SystemExit(1)
