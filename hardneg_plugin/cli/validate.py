"""``hardneg validate``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.options import recipe_argument, set_option


@click.command("validate")
@recipe_argument
@set_option
def command(recipe: str, overrides: tuple[str, ...]) -> None:
    """Check RECIPE (a name or a file): every mistake, with its path, before any work.

    \b
    Example:
      hardneg validate mine.yaml
    """
    from hardneg_plugin.recipe.load import load_recipe

    loaded = load_recipe(recipe, overrides)
    stages = sum(map(len, loaded.systems.values()))
    click.echo(f"{loaded.name}: no mistakes; {len(loaded.systems)} systems, {stages} stages, {len(loaded.seeds)} seeds")
