"""What a training was asked to be, and what follows from it before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import xxhash

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.training.arguments import check_arguments
from hardneg_plugin.training.base_model import STATIC, PoolingMode, base_model_identity
from hardneg_plugin.training.columns import TextKeys, TrainingColumns, find_columns, read_keys
from hardneg_plugin.training.losses import check_loss
from hardneg_plugin.training.schedule import checked_warmup_steps, planned_steps, warmup_steps
from hardneg_plugin.training.static_model import STATIC_DIMS, VOCABULARY, check_repeatable

if TYPE_CHECKING:
    import datasets

LearningRate = float | Literal["auto"]


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
    vocabulary: int = VOCABULARY
    save_steps: int = 500
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Check what needs neither the table nor the model.

        :raises ParameterError: If a value cannot work.
        """
        if self.learning_rate != "auto" and not (_is_number(self.learning_rate) and self.learning_rate > 0):
            msg = f"learning_rate must be auto or a number above 0, got {self.learning_rate!r}"
            raise ParameterError(msg)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            msg = f"seed must be a whole number from 0 to 2**32 - 1, got {self.seed!r}"
            raise ParameterError(msg)
        if self.save_steps < 0:
            msg = f"save_steps must be 0 (no checkpoints) or more, got {self.save_steps!r}"
            raise ParameterError(msg)
        if self.base_model == STATIC:
            if self.corpus_texts is None:
                msg = "base_model static learns its word pieces from corpus_texts, which was not given"
                raise ParameterError(msg)
            check_repeatable(self.corpus_texts)
        check_arguments(self.arguments)
        _check_prompts(self.arguments.get("prompts"))


@dataclass(frozen=True)
class TrainingPlan:
    """What the settings mean for one table.

    :param columns: Where its texts are.
    :param keys: Hashes of its texts.
    :param ragged: Whether its rows have different numbers of negatives.
    :param steps: Optimizer steps in all.
    :param warmup_steps: Steps of them during which the learning rate rises.
    :param record: Everything that decides over the weights, in JSON values.
    """

    columns: TrainingColumns
    keys: TextKeys
    ragged: bool
    steps: int
    warmup_steps: int
    record: Mapping[str, Any]


def plan_training(dataset: datasets.Dataset, settings: TrainingSettings) -> TrainingPlan:
    """Check the settings and the table against each other and work out the schedule; nothing is loaded or written.

    :raises ParameterError: If a setting cannot work.
    :raises RecordError: If the table cannot be trained on.
    :raises TrainingError: If loss, warm-up or model and table do not fit together.
    """
    settings.check()
    columns = find_columns(dataset)
    accumulation = settings.arguments.get("gradient_accumulation_steps", 1)
    planned_steps(len(dataset) or 1, settings.batch_size, settings.epochs, accumulation, settings.max_steps)
    keys = read_keys(dataset, columns)
    steps = planned_steps(len(keys), settings.batch_size, settings.epochs, accumulation, settings.max_steps)
    if "warmup_steps" in settings.arguments:
        warmup = checked_warmup_steps(steps, settings.arguments["warmup_steps"])
    else:
        warmup = warmup_steps(steps, settings.warmup)
    ragged = check_loss(settings.loss, settings.loss_args, keys, settings.batch_size)
    return TrainingPlan(columns, keys, ragged, steps, warmup, _record(settings, keys, steps, warmup))


def _record(settings: TrainingSettings, keys: TextKeys, steps: int, warmup: int) -> dict[str, Any]:
    static = None
    if settings.base_model == STATIC and settings.corpus_texts is not None:
        static = {
            "dims": settings.static_dims,
            "vocabulary": settings.vocabulary,
            "corpus": _digest(settings.corpus_texts),
        }
    return {
        "base_model": base_model_identity(settings.base_model),
        "table": keys.digest,
        "loss": settings.loss,
        "loss_args": dict(settings.loss_args),
        "steps": steps,
        "warmup_steps": warmup,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "max_length": settings.max_length,
        "pooling": settings.pooling,
        "seed": settings.seed,
        "static": static,
        "arguments": dict(settings.arguments),
    }


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


def _check_prompts(prompts: object) -> None:
    if prompts is None or isinstance(prompts, str):
        return
    roles = ("anchor", "positive", "negative")
    if not isinstance(prompts, Mapping) or not all(
        key in roles and isinstance(value, str) for key, value in prompts.items()
    ):
        msg = f"arguments: prompts must be one text or a text for some of {', '.join(roles)}, got {prompts!r}"
        raise ParameterError(msg)
