"""Result of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class LossPoint(NamedTuple):
    """Mean training loss since the point before.

    :param step: Optimizer step, from 1.
    :param loss: Mean loss of the steps up to this one.
    """

    step: int
    loss: float


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    :param model_path: Folder of the model; ``SentenceTransformer(str(model_path))`` loads it.
    :param base_model: What it was trained from.
    :param steps: Optimizer steps taken.
    :param examples: Rows of the training table.
    :param negatives: Hard negatives in the table, over all rows.
    :param epochs: Passes over the table.
    :param seconds: Wall time of the training, of the last session only where it was resumed.
    :param train_loss: Mean loss over all steps.
    :param loss_history: The loss over the training, in about 50 points.
    :param learning_rate: Highest learning rate.
    :param warmup_steps: Steps until it was reached.
    :param precision: ``bf16``, ``fp16`` or ``fp32``.
    :param device: Where it was trained, such as ``cpu`` or ``cuda:0``.
    :param refreshes: How the hard set moved each time the negatives were mined again.
    """

    model_path: Path
    base_model: str
    steps: int
    examples: int
    negatives: int
    epochs: float
    seconds: float
    train_loss: float
    loss_history: tuple[LossPoint, ...]
    learning_rate: float
    warmup_steps: int
    precision: str
    device: str
    refreshes: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the folder is left out, because it may move."""
        plain = dataclasses.asdict(self)
        del plain["model_path"]
        plain |= {"loss_history": [list(point) for point in self.loss_history], "refreshes": list(self.refreshes)}
        return plain if self.refreshes else {name: value for name, value in plain.items() if name != "refreshes"}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], model_path: Path) -> TrainingResult:
        """Build a result from what :meth:`to_dict` returned and the model's folder."""
        history = tuple(LossPoint(int(step), float(loss)) for step, loss in plain["loss_history"])
        refreshes = tuple(plain.get("refreshes", ()))
        return cls(**{**plain, "model_path": model_path, "loss_history": history, "refreshes": refreshes})


def loss_history(log: Sequence[Mapping[str, Any]]) -> tuple[LossPoint, ...]:
    """Return the points of the loss from the log of a transformers trainer."""
    return tuple(LossPoint(int(entry["step"]), float(entry["loss"])) for entry in log if "loss" in entry)


def mean_loss(history: Sequence[LossPoint]) -> float:
    """Return the mean loss over all steps; each point stands for the steps since the one before."""
    starts = (0, *(point.step for point in history))
    total = sum(point.loss * (point.step - start) for start, point in zip(starts, history, strict=False))
    return total / history[-1].step
