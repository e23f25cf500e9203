"""Finding a missing split before hours of training, not behind them, and training that would see a test."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.datasets import RetrievalDataset
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.schema import Recipe
from hardneg_plugin.recipe.targets import Target


def check_splits(recipe: Recipe, dataset: RetrievalDataset, targets: Sequence[Target]) -> None:
    """Check that every split that a recipe names is there, and that it does not train on what it measures on.

    :param recipe: The recipe.
    :param dataset: What is trained on.
    :param targets: What is measured on.
    :raises RecipeError: With all that is missing, or with a split that is trained and measured on.
    """
    wanted = [("data.train", dataset, recipe.data.train)]
    wanted += [(f"evaluate, {target.label}", target.dataset, target.split) for target in targets]
    if recipe.evaluate is not None:
        wanted += [("evaluate.relevance", dataset, split) for split in recipe.evaluate.relevance or {}]
    errors = [
        f"{key}: {data.spec} has no split {split!r}; splits: {', '.join(data.splits)}"
        for key, data, split in wanted
        if split not in data.splits
    ]
    if recipe.train is not None:
        errors += [
            f"data.train: {recipe.data.train!r} of {dataset.spec} is measured on, too ({target.label}): "
            "a model must not be trained on its test"
            for target in targets
            # Whatever it is called, and whatever else it is measured or trained together with.
            if target.split == recipe.data.train and target.dataset.sources & dataset.sources
        ]
    if errors:
        raise RecipeError("\n".join(errors))
