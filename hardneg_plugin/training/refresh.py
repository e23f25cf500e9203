"""Negatives that change while a model is trained: mined again with its weights, or taken from easy to hard.

A training is cut into stages of the same number of steps, and every stage has its own negatives. The trainer takes a
stage for an epoch: batches are packed, and texts are read, after the stage has begun, so that no batch holds negatives
of the stage before, also where a training is resumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records.table import concat_ranges, lengths_to_offsets
from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.losses import LOSSES

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Rows = npt.NDArray[np.int64]


class Mined(NamedTuple):
    """Negatives mined at one refresh.

    :param rows: Passages of each row of the training table, hardest first, -1 behind the last; shape ``(rows, n)``.
    :param found: All that was found for each row, nearest first, to tell how the next look differs; shape
        ``(rows, k)``.
    :param facts: How the hard set moved, in JSON values.
    """

    rows: Rows
    found: Rows
    facts: Mapping[str, Any]


class RefreshMiner(Protocol):
    """Finds negatives of the training table's rows with a model as it is now."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that decides over what is found beside the weights, in JSON values."""

    def begin(self, model: SentenceTransformer) -> None:
        """See the model before its first step, also where the training is resumed."""

    def mine(self, model: SentenceTransformer, before: Mined | None) -> Mined:
        """Find negatives.

        :param model: The model with its current weights.
        :param before: What the look before found; None for the first.
        """

    def texts(self, rows: Rows) -> list[str]:
        """Return the texts of passages."""


@dataclass(frozen=True)
class Refresh:
    """Schedule and miner of refreshed negatives (ANCE, Xiong et al. 2021; ADORE, Zhan et al. 2021).

    :param miner: Finds them.
    :param every_steps: Optimizer steps between two looks.
    :param every_epochs: Passes over the table between two looks, instead.
    :raises ParameterError: If not exactly one of the two is given, or it is not above 0.
    """

    miner: RefreshMiner
    every_steps: int | None = None
    every_epochs: float | None = None

    def __post_init__(self) -> None:
        check_interval(self.every_steps, self.every_epochs)

    def steps_per_stage(self, steps_per_epoch: float) -> int:
        """Return the steps between two looks."""
        if self.every_steps is not None:
            return self.every_steps
        return max(1, round((self.every_epochs or 0) * steps_per_epoch))


def check_interval(every_steps: object, every_epochs: object) -> None:
    """Check how often negatives are mined again.

    :raises ParameterError: If not exactly one of the two is given, or it is not above 0.
    """
    if (every_steps is None) == (every_epochs is None):
        msg = f"refresh: give one of every_steps and every_epochs, got {every_steps!r} and {every_epochs!r}"
        raise ParameterError(msg)
    whole = isinstance(every_steps, int) and not isinstance(every_steps, bool) and every_steps > 0
    if every_steps is not None and not whole:
        msg = f"refresh: every_steps must be a whole number above 0, got {every_steps!r}"
        raise ParameterError(msg)
    number = isinstance(every_epochs, int | float) and not isinstance(every_epochs, bool) and every_epochs > 0
    if every_epochs is not None and not (number and math.isfinite(every_epochs)):  # type: ignore[arg-type]
        msg = f"refresh: every_epochs must be a number above 0, got {every_epochs!r}"
        raise ParameterError(msg)


@dataclass(frozen=True)
class Curriculum:
    """Negatives from easy to hard: a window over those of a row that moves from its last ones to its first.

    A row lists its negatives hardest first. In stage ``s`` of ``n`` (from 0) a row of ``m`` negatives trains on
    ``num_negatives`` of them, from place ``round((m - num_negatives) * (1 - s / (n - 1)))`` on.

    :param stages: Number of stages, at least 2; they have the same number of steps, the last perhaps fewer.
    :param num_negatives: Negatives of a row in each of them.
    :raises ParameterError: If one is out of range.
    """

    stages: int
    num_negatives: int

    def __post_init__(self) -> None:
        for name, lowest in (("stages", 2), ("num_negatives", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                msg = f"curriculum: {name} must be a whole number of at least {lowest}, got {value!r}"
                raise ParameterError(msg)

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Curriculum | None:
        """Return what a mapping says.

        :raises ParameterError: If a key is missing or unknown, or a value out of range.
        """
        if given is None:
            return None
        if not isinstance(given, Mapping) or set(given) != {"stages", "num_negatives"}:
            msg = f"curriculum takes stages and num_negatives, got {given!r}"
            raise ParameterError(msg)
        return cls(**given)

    def window(self, negatives: int, stage: int) -> slice:
        """Return the places of a row's negatives in a stage."""
        left = 1 - min(stage, self.stages - 1) / (self.stages - 1)
        start = round(max(0, negatives - self.num_negatives) * left)
        return slice(start, min(start + self.num_negatives, negatives))

    def keys(self, keys: TextKeys, stage: int) -> TextKeys:
        """Return the hashes of the texts that a stage trains on."""
        windows = [self.window(int(count), stage) for count in keys.negative_counts]
        counts = np.array([window.stop - window.start for window in windows], np.int64)
        starts = keys.offsets[:-1] + np.array([window.start for window in windows], np.int64)
        return TextKeys(keys.own, keys.negatives[concat_ranges(starts, counts)], lengths_to_offsets(counts))


@dataclass(frozen=True)
class StagePlan:
    """Changes of a training from phase to phase, and the length of each phase.

    :param steps: Optimizer steps of a stage.
    :param batches: Batches of a stage.
    :param epoch_batches: Batches of a pass over the table.
    :param refresh: Mining again, or None.
    :param curriculum: From easy to hard, or None.
    :param clusters: Number of groups of like queries that batches are made of, or None.
    """

    steps: int
    batches: int
    epoch_batches: int
    refresh: Refresh | None = None
    curriculum: Curriculum | None = None
    clusters: int | None = None


def plan_stages(
    *,
    steps: int,
    epoch_batches: int,
    accumulation: int,
    refresh: Refresh | None,
    curriculum: Curriculum | None,
    clusters: int | None,
) -> StagePlan | None:
    """Cut a training into stages; None where nothing changes and batches are any.

    :param steps: Optimizer steps in all.
    :param epoch_batches: Batches of a pass over the table.
    :param accumulation: Batches of an optimizer step.
    """
    if refresh is None and curriculum is None and clusters is None:
        return None
    if refresh is not None:
        each = min(refresh.steps_per_stage(epoch_batches / accumulation), steps)
    elif curriculum is not None:
        each = math.ceil(steps / curriculum.stages)
    else:
        each = math.ceil(epoch_batches / accumulation)
    return StagePlan(each, each * accumulation, epoch_batches, refresh, curriculum, clusters)


def check_stages(
    refresh: object, curriculum: Mapping[str, Any] | None, clusters: object, loss: str, loss_args: Mapping[str, Any]
) -> None:
    """Check the three settings against each other and the loss.

    :raises ParameterError: If one cannot work, or not with the others.
    """
    if refresh is not None and not isinstance(refresh, Refresh):
        msg = f"refresh must be a Refresh, got {type(refresh).__name__}"
        raise ParameterError(msg)
    if clusters is not None and (isinstance(clusters, bool) or not isinstance(clusters, int) or clusters < 2):
        msg = f"batch_clusters must be a whole number of at least 2, got {clusters!r}"
        raise ParameterError(msg)
    moving = refresh is not None or Curriculum.of(curriculum) is not None
    if refresh is not None and curriculum is not None:
        msg = "refresh and curriculum both choose the negatives of a stage; give one of them"
        raise ParameterError(msg)
    if moving and LOSSES[loss].scored:
        msg = f"refresh and curriculum change the negatives, but the loss {loss!r} learns scores of those in the table"
        raise ParameterError(msg)
    if refresh is not None and (not LOSSES[loss].ranking or "hardness_mode" in loss_args):
        msg = f"refresh finds different numbers of negatives; the loss {loss!r} with these loss_args takes no such rows"
        raise ParameterError(msg)
