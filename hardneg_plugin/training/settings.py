"""Settings of a training, and the plan that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import xxhash

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.identity import counted
from hardneg_plugin.search.models import PoolingMode
from hardneg_plugin.training.arguments import check_arguments
from hardneg_plugin.training.base_model import STATIC, base_model_identity
from hardneg_plugin.training.columns import TextKeys, TrainingColumns, find_columns, read_keys
from hardneg_plugin.training.distributed import check_divided, world_size
from hardneg_plugin.training.encoders import ENCODERS, TIED, Encoders
from hardneg_plugin.training.languages import (
    MIXED,
    BatchLanguages,
    LanguageShares,
    check_languages,
    share_languages,
)
from hardneg_plugin.training.lora import check_lora
from hardneg_plugin.training.losses import GUIDE, LOSSES, check_loss_args, check_negatives
from hardneg_plugin.training.prompts import check_prompts
from hardneg_plugin.training.refresh import Curriculum, Refresh, StagePlan, check_stages, plan_stages
from hardneg_plugin.training.schedule import batches_per_epoch, checked_warmup_steps, planned_steps, warmup_steps
from hardneg_plugin.training.scores import TeacherScores, find_scores, scores_digest
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY, check_repeatable

if TYPE_CHECKING:
    import datasets

LearningRate = float | Literal["auto"]
TRAINING_VERSION = 1
"""Number of the rules: raised when the same settings give other weights than before."""
_LOWEST = {"max_length": 1, "static_dims": 1, "vocabulary": 2}


@dataclass(frozen=True)
class TrainingSettings:
    """The parameters of :func:`hardneg_plugin.training.train`; see there."""

    base_model: str
    loss: str = "multiple_negatives_ranking"
    loss_args: Mapping[str, Any] = field(default_factory=dict)
    epochs: float = 1
    max_steps: int | None = None
    batch_size: int = 32
    learning_rate: LearningRate = "auto"
    warmup: float = 0.1
    max_length: int | None = None
    pooling: PoolingMode | None = None
    seed: int = 42
    corpus_texts: Iterable[str] | None = None
    static_dims: int = STATIC_DIMS
    vocabulary: int | str = VOCABULARY
    save_steps: int = 500
    arguments: Mapping[str, Any] = field(default_factory=dict)
    encoders: Encoders = TIED
    lora: Mapping[str, Any] | None = None
    prompts: Mapping[str, str] | None = None
    language_exponent: float | None = None
    batch_languages: BatchLanguages = MIXED
    refresh: Refresh | None = None
    curriculum: Mapping[str, Any] | None = None
    batch_clusters: int | None = None

    def check(self) -> None:
        """Check what needs neither the table nor the model.

        :raises ParameterError: If a value cannot work.
        :raises TrainingError: If ``lora`` is given and PEFT is not installed, or a guide's folder is not there.
        """
        if self.learning_rate != "auto" and not (_is_number(self.learning_rate) and self.learning_rate > 0):
            msg = f"learning_rate must be auto or a number above 0, got {self.learning_rate!r}"
            raise ParameterError(msg)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            msg = f"seed must be a whole number from 0 to 2**32 - 1, got {self.seed!r}"
            raise ParameterError(msg)
        for name, lowest in _LOWEST.items():
            _check_size(name, getattr(self, name), lowest)
        if self.save_steps < 0:
            msg = f"save_steps must be 0 (no checkpoints) or more, got {self.save_steps!r}"
            raise ParameterError(msg)
        if self.base_model == STATIC:
            if self.corpus_texts is None:
                msg = "base_model static learns its word pieces from corpus_texts, which was not given"
                raise ParameterError(msg)
            check_repeatable(self.corpus_texts)
        if self.encoders not in ENCODERS:
            msg = f"encoders must be one of {', '.join(ENCODERS)}, got {self.encoders!r}"
            raise ParameterError(msg)
        check_arguments(self.arguments)
        check_loss_args(self.loss, self.loss_args)
        check_prompts(self.prompts)
        check_languages(self.language_exponent, self.batch_languages)
        check_stages(self.refresh, self.curriculum, self.batch_clusters, self.loss, self.loss_args)
        if self.lora is not None:
            check_lora(self.lora)


def _check_size(name: str, value: object, lowest: int) -> None:
    if name == "vocabulary" and isinstance(value, str) and value.strip():
        # A tokenizer; it is loaded with the model.
        return
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
        msg = f"{name} must be a whole number of at least {lowest}, got {value!r}"
        raise ParameterError(msg)


@dataclass(frozen=True)
class TrainingPlan:
    """Plan of a training for one table, derived from the settings.

    :param columns: Where its texts are.
    :param keys: Hashes of its texts.
    :param joined: Whether the loss takes all negatives of a batch as one feature.
    :param scores: Where the teacher's scores are, for a loss that learns them.
    :param languages: What an epoch takes of each language; ``None`` where languages do not matter.
    :param steps: Optimizer steps in all.
    :param warmup_steps: Steps of them during which the learning rate rises.
    :param processes: Processes that train together, each with batches of its own.
    :param record: Everything that decides over the weights, in JSON values.
    :param stages: Where negatives change from stage to stage, or batches hold like queries; else ``None``.
    """

    columns: TrainingColumns
    keys: TextKeys
    joined: bool
    scores: TeacherScores | None
    languages: LanguageShares | None
    steps: int
    warmup_steps: int
    processes: int
    record: Mapping[str, Any]
    stages: StagePlan | None = None

    @property
    def column_names(self) -> list[str]:
        """All columns that the training reads."""
        return self.columns.names + ([self.scores.column] if self.scores else [])


def plan_training(dataset: datasets.Dataset, settings: TrainingSettings) -> TrainingPlan:
    """Check the settings and the table against each other and work out the schedule; nothing is loaded or written.

    :raises ParameterError: If a setting cannot work.
    :raises RecordError: If the table cannot be trained on, or has not the scores that the loss learns.
    :raises TrainingError: If loss, warm-up or model and table do not fit together.
    """
    settings.check()
    columns = find_columns(dataset)
    accumulation = settings.arguments.get("gradient_accumulation_steps", 1)
    planned_steps(len(dataset) or 1, settings.batch_size, settings.epochs, accumulation, settings.max_steps)
    keys = read_keys(dataset, columns)
    languages = share_languages(dataset, settings.language_exponent, settings.batch_languages)
    processes = world_size()
    # A step takes a batch of each process.
    rows = settings.batch_size * processes
    batches = languages.batches_per_epoch(rows) if languages else batches_per_epoch(len(keys), rows)
    steps = planned_steps(batches, 1, settings.epochs, accumulation, settings.max_steps)
    if "warmup_steps" in settings.arguments:
        warmup = checked_warmup_steps(steps, settings.arguments["warmup_steps"])
    else:
        warmup = warmup_steps(steps, settings.warmup)
    curriculum = Curriculum.of(settings.curriculum)
    first = keys if curriculum is None else curriculum.keys(keys, 0)
    joined = check_negatives(settings.loss, settings.loss_args, first, settings.batch_size)
    check_divided(len(keys), processes, joined=joined)
    stages = plan_stages(
        steps=steps,
        epoch_batches=batches,
        accumulation=accumulation,
        refresh=settings.refresh,
        curriculum=curriculum,
        clusters=settings.batch_clusters,
    )
    _check_stages(stages, languages, processes)
    record = _record(settings, keys, steps, warmup)
    if processes > 1:
        record["processes"] = processes
    if languages:
        languages.check_batches(rows, keys)
        record["languages"] = languages.digest
    scores = None
    if LOSSES[settings.loss].scored:
        scores = find_scores(dataset, columns, settings.loss)
        record["scores"] = scores_digest(dataset, scores)
    # The rows of a later look differ in their numbers of negatives.
    joined = joined or settings.refresh is not None
    return TrainingPlan(columns, keys, joined, scores, languages, steps, warmup, processes, record, stages)


def _check_stages(stages: StagePlan | None, languages: LanguageShares | None, processes: int) -> None:
    if stages and languages:
        msg = "refresh, curriculum and batch_clusters make their own batches: without languages"
        raise ParameterError(msg)
    if stages and processes > 1:
        msg = f"refresh, curriculum and batch_clusters train in one process, got {processes}"
        raise ParameterError(msg)


def vocabulary_identity(vocabulary: int | str) -> int | str:
    """Return the number of word pieces to learn, or what tells one tokenizer from another."""
    return base_model_identity(vocabulary) if isinstance(vocabulary, str) else vocabulary


def _record(settings: TrainingSettings, keys: TextKeys, steps: int, warmup: int) -> dict[str, Any]:
    static = None
    if settings.base_model == STATIC and settings.corpus_texts is not None:
        static = {
            "dims": settings.static_dims,
            "vocabulary": vocabulary_identity(settings.vocabulary),
            "corpus": _digest(settings.corpus_texts),
        }
    record = {
        "version": TRAINING_VERSION,
        "base_model": base_model_identity(settings.base_model),
        "table": keys.digest,
        "loss": settings.loss,
        "loss_args": _identified(settings.loss_args),
        "steps": steps,
        "warmup_steps": warmup,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "max_length": settings.max_length,
        "pooling": settings.pooling,
        "seed": settings.seed,
        "static": static,
        "arguments": dict(settings.arguments),
        "encoders": settings.encoders,
        "lora": None if settings.lora is None else dict(settings.lora),
        "prompts": dict(settings.prompts or {}),
        "language_exponent": settings.language_exponent,
        "batch_languages": settings.batch_languages,
        "refresh": _refresh_identity(settings.refresh),
        "curriculum": None if settings.curriculum is None else dict(settings.curriculum),
        "batch_clusters": settings.batch_clusters,
    }
    return counted(TrainingSettings.__name__, record)


def _refresh_identity(refresh: Refresh | None) -> dict[str, Any] | None:
    if refresh is None:
        return None
    return {"every_steps": refresh.every_steps, "every_epochs": refresh.every_epochs, **refresh.miner.identity}


def _identified(loss_args: Mapping[str, Any]) -> dict[str, Any]:
    """Put the identity of a guide in the place of its folder, where other weights may lie one day."""
    guide = {GUIDE: base_model_identity(loss_args[GUIDE])} if GUIDE in loss_args else {}
    return {**loss_args, **guide}


def _digest(texts: Iterable[str]) -> str:
    state = xxhash.xxh3_128()
    for text in texts:
        # A text is told from its neighbour by its length.
        encoded = text.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little"))
        state.update(encoded)
    return state.hexdigest()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
