"""Values that have the right type and still cannot work: found by the constructors themselves, before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from haystack.core.errors import DeserializationError

from hardneg_plugin.components import SentenceTransformersTrainer
from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.evaluation import parse_metrics
from hardneg_plugin.memory import parse_memory
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, DataSection, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_params
from hardneg_plugin.recipe.targets import dataset_errors
from hardneg_plugin.training.schedule import planned_steps, warmup_steps
from hardneg_plugin.training.settings import TrainingSettings
from hardneg_plugin.validation import value_mistakes

# Stands for what only a run has; nothing is opened while a recipe is checked.
_PLACEHOLDER = "placeholder/model"
# The folder of a trained model has this name, by which sources and scores are called.
_TRAINED = "model"
SET_BY_ENGINE = {
    "seed": "the engine sets it: use `seed:` of the recipe",
    "output_dir": "the engine sets it: models lie in the run folder",
    "corpus": "the engine sets it: the corpus is that of `data.dataset`",
}


def seed_errors(seeds: list[int]) -> list[str]:
    """Return what is wrong with the seeds."""
    if not seeds:
        return ["seed: expected at least one"]
    errors = [
        f"seed: expected whole numbers from 0 to 2**32 - 1, got {seed}" for seed in seeds if not 0 <= seed < 2**32
    ]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    return errors + [f"seed: {seed} is given twice" for seed in twice]


def memory_errors(memory: object) -> list[str]:
    """Return what is wrong with the promised memory."""
    if memory is None:
        return []
    try:
        parse_memory(memory)  # type: ignore[arg-type]  # what is no text is its own mistake
    except HardnegError as error:
        return [f"memory: {error}"]
    return []


def spec_errors(data: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the spec of the data section."""
    try:
        DataSection(**data).spec  # noqa: B018 - it is parsed
    except HardnegError as error:
        return [f"data.dataset: {error}"]
    return []


def checked_stage(
    stage: Stage, resolved: Mapping[str, Any], path: str, generator: Mapping[str, Any] | None = None
) -> StageComponent | list[str]:
    """Return a stage's component, or what its constructor says about its parameters; nothing is opened.

    :param stage: The stage; every value in it is right by itself.
    :param resolved: The recipe.
    :param path: Path of the stage.
    :param generator: The recipe's chat generator, where it has one.
    """
    data, base_model = resolved["data"], (resolved["train"] or {}).get("base_model")
    # What is wrong with these sections is reported there.
    language = data["language"] if isinstance(data.get("language"), str) else ""
    model = base_model if isinstance(base_model, str) and base_model.strip() else _PLACEHOLDER
    filled = {"corpus": "sample", "language": language, "seed": 0, "model": model}
    filled |= {} if generator is None else {"chat_generator": generator}
    params = stage_params(stage, filled)
    if str(params.get("model", "")).startswith(SYSTEM_PREFIX):
        params["model"] = _TRAINED
    try:
        return build_stage(stage.name, params)
    # What a nested object of another package raises is its own choice.
    except (HardnegError, DeserializationError, ImportError, TypeError, ValueError) as error:
        return [f"{path}: {error}"]


def train_errors(train: Mapping[str, Any]) -> list[str]:
    """Return what the trainer says about its parameters; neither the model nor the corpus is opened."""
    errors = [f"train.{name}: {message}" for name, message in SET_BY_ENGINE.items() if name in train]
    if errors:
        return errors
    known = {item.name for item in fields(TrainingSettings)}
    given = {name: value for name, value in train.items() if name in known}
    maps = {name: train.get(name) or {} for name in ("loss_args", "arguments")}
    accumulation = maps["arguments"].get("gradient_accumulation_steps", 1)
    path = "train.arguments.gradient_accumulation_steps"
    if wrong := value_mistakes(int, accumulation, path):
        return wrong
    try:
        SentenceTransformersTrainer(**{**train, "output_dir": "run", "corpus": "sample"})
        # What mines again is made of the mapping and the corpus, when it is trained.
        TrainingSettings(**{**given, **maps, "refresh": None, "corpus_texts": ("",)}).check()
        planned_steps(1, train["batch_size"], train["epochs"], accumulation)
        warmup_steps(1, train["warmup"])
    except HardnegError as error:
        return [f"train: {error}"]
    return []


def evaluate_errors(evaluate: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with metrics, cutoffs and grades."""
    errors = dataset_errors(evaluate)
    try:
        cutoffs = {str(metric): metric.params.get("cutoff") or 1 for metric in parse_metrics(evaluate["metrics"], 1)}
    except HardnegError as error:
        return [*errors, f"evaluate.metrics: {error}"]
    deepest = max(cutoffs, key=lambda metric: cutoffs[metric])
    if evaluate["top_k"] < cutoffs[deepest]:
        errors.append(f"evaluate.top_k: {deepest} looks at more passages than top_k retrieves, got {evaluate['top_k']}")
    return errors
