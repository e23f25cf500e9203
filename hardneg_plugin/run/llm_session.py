"""Open the language-model session of a run, and check the judge before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardneg_plugin.components import LLMNegativeClassifier
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.llm.budget import Budget
from hardneg_plugin.llm.session import session
from hardneg_plugin.messages import shown_by
from hardneg_plugin.recipe.chat_generator import CHAT_GENERATOR, generator_of
from hardneg_plugin.recipe.schema import Recipe, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_params
from hardneg_plugin.run.judge_check import JudgeReport, check_judge
from hardneg_plugin.run.progress import Progress

# The check asks about passages of its own: no source of theirs is known to a recipe, and all are judged.
_OF_THE_CHECK = {"source": None, "max_candidates": None}


@contextmanager
def recipe_session(recipe: Recipe, progress: Progress, budget: str | None, record: Path | None) -> Iterator[None]:
    """Count, limit and record what the stages of a run ask.

    :param recipe: The recipe.
    :param progress: Where progress and costs are shown.
    :param budget: What may be spent, in place of the recipe's own.
    :param record: File to which every answer is appended.
    """
    limit = budget or (recipe.llm.budget if recipe.llm else None)
    budgeted = Budget.parse(limit) if limit else None
    with shown_by(progress.say), session(budget=budgeted, record=record, say=progress.say):
        yield


def judge_of(recipe: Recipe) -> LLMNegativeClassifier:
    """Return the judge of a recipe: the first of its ``classify`` stages, or one of its ``llm`` section's model.

    :raises RecipeError: If it has neither.
    """
    stages = [stage for stages in recipe.systems.values() for stage in stages if stage.name == "classify"]
    if not stages and recipe.llm is None:
        msg = f"{recipe.name}: no judge to check; it has no `classify` stage and no `llm` section"
        raise RecipeError(msg)
    stage = stages[0] if stages else Stage("classify", {})
    filled = {"seed": recipe.seeds[0]}
    generator = {} if recipe.llm is None else {CHAT_GENERATOR: generator_of(recipe.llm)}
    params = stage_params(stage, {**filled, **generator})
    judge = build_stage("classify", {**params, **_OF_THE_CHECK})
    assert isinstance(judge, LLMNegativeClassifier)
    return judge


def check_model_of(recipe: Recipe) -> None:
    """Check that the server of a recipe's `llm` section answers and has the model, before anything is computed for it.

    :param recipe: The recipe; one without such a section is not looked at.
    :raises LLMError: If the model cannot be asked.
    """
    if recipe.llm is None:
        return
    stage = Stage("classify", {})
    params = stage_params(stage, {"seed": recipe.seeds[0], CHAT_GENERATOR: generator_of(recipe.llm)})
    judge: Any = build_stage("classify", params)
    judge.warm_up()
    judge.close()


def check_judge_of(
    recipe: Recipe, progress: Progress, languages: Sequence[str] | None = None, lowest: float | None = None
) -> JudgeReport:
    """Check the judge of a recipe.

    :param recipe: The recipe.
    :param progress: Where it is shown.
    :param languages: ISO 639-1 codes; None takes all there are.
    :param lowest: Accuracy that is required.
    :raises LLMError: If the accuracy is below.
    """
    report = check_judge(judge_of(recipe), languages, lowest)
    progress.say(f"judge check: right on {report.accuracy:.1%} of {report.outcomes.total()} known pairs")
    return report
