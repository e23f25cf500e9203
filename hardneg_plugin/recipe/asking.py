"""What a run may ask of a language model, and the check of the judge before it asks anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.session import session
from hardneg_plugin.recipe.progress import Progress
from hardneg_plugin.recipe.schema import Recipe


@contextmanager
def recipe_session(recipe: Recipe, progress: Progress, budget: str | None, record: Path | None) -> Iterator[None]:
    """Count, limit and record what the stages of a run ask.

    :param recipe: The recipe.
    :param progress: Where progress and costs are shown.
    :param budget: What may be spent, in place of the recipe's own.
    :param record: File to which every answer is appended.
    """
    limit = budget or (recipe.llm.budget if recipe.llm else None)
    with session(budget=Budget.parse(limit) if limit else None, record=record, say=progress.say):
        yield


def check_judge_of(recipe: Recipe, progress: Progress) -> None:
    """Check the judge where the recipe requires it."""
