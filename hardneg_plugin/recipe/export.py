"""A recipe's stages as a Haystack pipeline."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline

from hardneg_plugin.components import TripletBuilder
from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.chat_generator import CHAT_GENERATOR, generator_of
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, Recipe, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_params


def export_pipeline(recipe: Recipe, system: str | None = None) -> str:
    """Return YAML that ``Pipeline.loads`` accepts: the stages in order, then a :class:`TripletBuilder`.

    What the engine fills in (corpus, seed, language, model, chat generator) is written out.

    :param recipe: The recipe.
    :param system: Which of its systems; None takes the only one that has stages.
    :raises RecipeError: If there is no such system, or several could be meant.
    """
    name = _chosen(recipe, system)
    pipeline = Pipeline(metadata={"recipe": recipe.name, "system": name})
    filled: dict[str, Any] = {"corpus": recipe.data.spec, "language": recipe.data.language, "seed": recipe.seeds[0]}
    if recipe.train is not None and recipe.train["base_model"] != "static":
        filled["model"] = recipe.train["base_model"]
    if recipe.llm is not None:
        filled[CHAT_GENERATOR] = generator_of(recipe.llm)
    before = ""
    for number, stage in enumerate(recipe.systems[name]):
        same = [other.name for other in recipe.systems[name]].count(stage.name)
        component = stage.name if same == 1 else f"{stage.name}_{number}"
        pipeline.add_component(component, build_stage(stage.name, _params(recipe, stage, filled)))
        if before:
            pipeline.connect(f"{before}.examples", f"{component}.examples")
        before = component
    pipeline.add_component("triplets", TripletBuilder())
    if before:
        pipeline.connect(f"{before}.examples", "triplets.examples")
    text: str = pipeline.dumps()
    return text


def _params(recipe: Recipe, stage: Stage, filled: dict[str, Any]) -> dict[str, Any]:
    params = stage_params(stage, filled)
    if str(params.get("model", "")).startswith(SYSTEM_PREFIX):
        msg = f"{recipe.name}: stage {stage.name!r} mines with {params['model']!r}, which only a run makes"
        raise RecipeError(msg)
    return params


def _chosen(recipe: Recipe, system: str | None) -> str:
    with_stages = [name for name, stages in recipe.systems.items() if stages]
    if system is None and len(with_stages) == 1:
        return with_stages[0]
    if system is not None and system in recipe.systems:
        return system
    problem = f"no system {system!r}" if system else f"{len(with_stages)} systems have stages"
    msg = f"{recipe.name}: {problem}; choose one with --system: {', '.join(recipe.systems)}"
    raise RecipeError(msg)
