"""Compute the steps and warm-up of a training before it starts.

The number of optimizer steps is what two systems must share for a fair comparison, and warm-up is a share of it. A
warm-up longer than the training (5,000 steps of 625, as one published baseline had) leaves a model that has never
learnt at its rate.
"""

from __future__ import annotations

import math

from hardneg_plugin.errors import ParameterError, TrainingError


def batches_per_epoch(rows: int, batch_size: int) -> int:
    """Return the number of batches that cover all rows once."""
    return math.ceil(rows / batch_size)


def planned_steps(
    rows: int, batch_size: int, epochs: float, gradient_accumulation: int = 1, max_steps: int | None = None
) -> int:
    """Return the number of optimizer steps that a training takes.

    :param rows: Rows of the training table.
    :param batch_size: Rows in a batch.
    :param epochs: Passes over the table; a fraction stops inside the last one.
    :param gradient_accumulation: Batches that share one optimizer step.
    :param max_steps: Number of steps to take instead of ``epochs``; the table is repeated as often as needed.
    :raises ParameterError: If one of the numbers is not positive.
    """
    given = {"rows": rows, "batch_size": batch_size, "epochs": epochs, "gradient_accumulation": gradient_accumulation}
    if max_steps is not None:
        given["max_steps"] = max_steps
    for name, value in given.items():
        if not (value > 0 and math.isfinite(value)):
            msg = f"{name} must be above 0, got {value!r}"
            raise ParameterError(msg)
    if max_steps is not None:
        return max_steps
    return math.ceil(epochs * math.ceil(batches_per_epoch(rows, batch_size) / gradient_accumulation))


def warmup_steps(steps: int, warmup: float) -> int:
    """Return the number of warm-up steps: the given share, rounded, and always fewer than the training has.

    :param steps: Optimizer steps of the whole training.
    :param warmup: Share of the steps, 0 <= warmup < 1.
    :raises ParameterError: If the share is outside this range.
    """
    if not 0 <= warmup < 1:
        msg = f"warmup is a share of the steps, 0 <= warmup < 1, got {warmup!r}; steps go into arguments: warmup_steps"
        raise ParameterError(msg)
    return min(round(steps * warmup), steps - 1)


def checked_warmup_steps(steps: int, asked: float) -> int:
    """Return a warm-up that was asked for in steps (or, below 1, as a share), if the training is longer.

    :param steps: Optimizer steps of the whole training.
    :param asked: Steps, or a share below 1, as the ``warmup_steps`` of transformers.
    :raises ParameterError: If it is negative or no number of steps.
    :raises TrainingError: If the training would end inside its warm-up.
    """
    if 0 <= asked < 1:
        return warmup_steps(steps, asked)
    if asked < 0 or asked != int(asked):
        msg = f"warmup_steps must be a whole number of steps or a share below 1, got {asked!r}"
        raise ParameterError(msg)
    if asked >= steps:
        msg = (
            f"warm-up takes {int(asked)} steps, but the training has {steps}: the learning rate would never reach its "
            "value, and the model would hardly learn; use the share `warmup` or train longer"
        )
        raise TrainingError(msg)
    return int(asked)
