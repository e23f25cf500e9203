"""Finding a missing split before hours of training, not behind them, and training that would see a test."""

from __future__ import annotations

from collections.abc import Sequence

from hardneg_plugin.datasets import RetrievalDataset, parse_spec
from hardneg_plugin.datasets.hub import hub_names
from hardneg_plugin.datasets.spec import UNION
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.schema import Recipe
from hardneg_plugin.recipe.targets import Target

# Splits of the hub's datasets on which others report scores, and which a later recipe may measure this one's model on.
_TESTS = ("test", "dl19", "dl20")


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
        ] or _published_tests(recipe.data.train, dataset.spec)
    if errors:
        raise RecipeError("\n".join(errors))


def _published_tests(split: str, spec: str) -> list[str]:
    parts = [part for part in spec.split(UNION) if parse_spec(part).kind in hub_names()]
    if split not in _TESTS or not parts:
        return []
    return [f"data.train: {split!r} of {', '.join(parts)} is a test that models are compared on: take another"]
