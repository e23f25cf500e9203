"""``hardneg recipes``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.say import say
from hardneg_plugin.recipe.find import builtin_recipes, summary


@click.command("recipes")
def command() -> None:
    """List the recipes that come with hardneg.

    Copy one with `hardneg show NAME > mine.yaml` and change it.
    """
    recipes = builtin_recipes()
    width = max(map(len, recipes), default=0)
    for name, path in recipes.items():
        say(f"{name:<{width}}  {summary(path)}")
