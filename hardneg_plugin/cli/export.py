"""``hardneg export``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.options import recipe_argument, set_option
from hardneg_plugin.cli.say import say


@click.command("export")
@recipe_argument
@set_option
@click.option("--system", help="Which of the recipe's systems; needed where several have stages.")
def command(recipe: str, overrides: tuple[str, ...], system: str | None) -> None:
    """Print the mining stages of RECIPE as Haystack pipeline YAML.

    `import hardneg_plugin` before `Pipeline.loads`: Haystack builds classes of packages it was told about only.

    \b
    Example:
      hardneg export quickstart --system bm25 > pipeline.yaml
    """
    from hardneg_plugin.recipe.export import export_pipeline
    from hardneg_plugin.recipe.load import load_recipe

    say(export_pipeline(load_recipe(recipe, overrides), system), nl=False)
