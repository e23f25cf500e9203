"""``hardneg show``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.options import recipe_argument, set_option
from hardneg_plugin.cli.say import say


@click.command("show")
@recipe_argument
@set_option
def command(recipe: str, overrides: tuple[str, ...]) -> None:
    """Print RECIPE (a name or a file) with all defaults and overrides.

    \b
    Example:
      hardneg show quickstart --set train.epochs=3
    """
    from hardneg_plugin.recipe.load import load_recipe
    from hardneg_plugin.recipe.yaml_text import to_yaml

    say(to_yaml(load_recipe(recipe, overrides).to_dict()), nl=False)
