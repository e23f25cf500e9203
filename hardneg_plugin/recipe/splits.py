"""Finding a missing split before hours of training, not behind them."""

from __future__ import annotations

from hardneg_plugin.datasets import RetrievalDataset
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.schema import Recipe


def check_splits(recipe: Recipe, dataset: RetrievalDataset) -> None:
    """Check that a dataset has every split that a recipe names.

    :raises RecipeError: With all that are missing.
    """
    wanted = {"data.train": [recipe.data.train]}
    if recipe.evaluate is not None:
        wanted["evaluate.splits"] = list(recipe.evaluate.splits)
        wanted["evaluate.relevance"] = list(recipe.evaluate.relevance or {})
    errors = [
        f"{key}: {dataset.spec} has no split {split!r}; splits: {', '.join(dataset.splits)}"
        for key, splits in wanted.items()
        for split in splits
        if split not in dataset.splits
    ]
    if errors:
        raise RecipeError("\n".join(errors))
