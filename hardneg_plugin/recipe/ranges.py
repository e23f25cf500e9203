"""Values that have the right type and still cannot work: found by the constructors themselves, before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from haystack.core.errors import DeserializationError

from hardneg_plugin.components import SentenceTransformersTrainer
from hardneg_plugin.datasets.examples import SHARD_SIZE
from hardneg_plugin.errors import HardnegError
from hardneg_plugin.evaluation import parse_metrics
from hardneg_plugin.memory import parse_memory
from hardneg_plugin.recipe.check import check_type
from hardneg_plugin.recipe.schema import SYSTEM_PREFIX, DataSection, Stage
from hardneg_plugin.recipe.stages import build_stage, stage_params
from hardneg_plugin.recipe.targets import dataset_errors
from hardneg_plugin.training.schedule import planned_steps, warmup_steps
from hardneg_plugin.training.settings import TrainingSettings

# Stands for what only a run has; nothing is opened while a recipe is checked.
_PLACEHOLDER = "placeholder/model"
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


def data_errors(data: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the numbers and the spec of the data section."""
    errors = [
        f"data.{name}: expected at least 1, got {data[name]}"
        for name in ("limit", "limit_per_language", "relevance")
        if data[name] is not None and data[name] < 1
    ]
    if not 1 <= data["shard_size"] <= SHARD_SIZE:
        errors.append(f"data.shard_size: expected 1 to {SHARD_SIZE:,}, got {data['shard_size']}")
    try:
        DataSection(**data).spec  # noqa: B018 - it is parsed
    except HardnegError as error:
        errors.append(f"data.dataset: {error}")
    return errors


def stage_errors(
    stage: Stage, data: Mapping[str, Any], path: str, generator: Mapping[str, Any] | None = None
) -> list[str]:
    """Return what a stage's constructor says about its parameters.

    :param stage: The stage; every type in it is right.
    :param data: The data section.
    :param path: Path of the stage.
    :param generator: The recipe's chat generator, where it has one.
    """
    # What is wrong with the data section is reported there.
    language = data["language"] if isinstance(data["language"], str) else ""
    filled = {"corpus": "sample", "language": language, "seed": 0, "model": _PLACEHOLDER}
    filled |= {} if generator is None else {"chat_generator": generator}
    params = stage_params(stage, filled)
    if str(params.get("model", "")).startswith(SYSTEM_PREFIX):
        params["model"] = _PLACEHOLDER
    try:
        build_stage(stage.name, params)
    # What a nested object of another package raises is its own choice.
    except (HardnegError, DeserializationError, ImportError, TypeError, ValueError) as error:
        return [f"{path}: {error}"]
    return []


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
    if wrong := check_type(accumulation, int, path):
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
    errors += [
        f"evaluate.relevance.{split}: expected a grade of at least 1, got {grade}"
        for split, grade in (evaluate["relevance"] or {}).items()
        if grade < 1
    ]
    try:
        cutoffs = {str(metric): metric.params.get("cutoff") or 1 for metric in parse_metrics(evaluate["metrics"], 1)}
    except HardnegError as error:
        return [*errors, f"evaluate.metrics: {error}"]
    deepest = max(cutoffs, key=lambda metric: cutoffs[metric])
    if evaluate["top_k"] < cutoffs[deepest]:
        errors.append(f"evaluate.top_k: {deepest} looks at more passages than top_k retrieves, got {evaluate['top_k']}")
    return errors
