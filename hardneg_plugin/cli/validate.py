"""``hardneg validate``."""

from __future__ import annotations

import click

from hardneg_plugin.cli.options import recipe_argument, set_option, without_telemetry
from hardneg_plugin.cli.say import say


@click.command("validate")
@recipe_argument
@set_option
def command(recipe: str, overrides: tuple[str, ...]) -> None:
    """Check RECIPE (a name or a file): every mistake, with its path, before any work.

    Nothing is fetched, and nothing is written. Splits are checked, too, where the dataset is there already.

    \b
    Example:
      hardneg validate mine.yaml
    """
    without_telemetry()
    from hardneg_plugin.datasets import load_dataset
    from hardneg_plugin.errors import DatasetError
    from hardneg_plugin.recipe.load import load_recipe
    from hardneg_plugin.recipe.targets import evaluation_targets
    from hardneg_plugin.run.splits import check_splits

    loaded = load_recipe(recipe, overrides, inputs="all but data")
    try:
        dataset = load_dataset(loaded.data.spec, fetch=False)
        check_splits(loaded, dataset, evaluation_targets(loaded.evaluate, dataset, fetch=False))
    except DatasetError as error:
        say(f"note: splits were not checked: {error}", err=True)
    stages = sum(map(len, loaded.systems.values()))
    say(f"{loaded.name}: no mistakes; {len(loaded.systems)} systems, {stages} stages, {len(loaded.seeds)} seeds")
