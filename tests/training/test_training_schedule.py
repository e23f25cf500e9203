from __future__ import annotations

import pytest

from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.training import planned_steps
from hardneg_plugin.training.schedule import checked_warmup_steps, warmup_steps


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ((1000, 8, 5), 625),
        ((6480, 128, 3), 153),
        ((10, 4, 1), 3),
        ((10, 4, 2, 2), 4),
        ((10, 4, 0.5), 2),
        ((10, 4, 3, 1, 7), 7),
    ],
)
def test_planned_steps(arguments, steps):
    assert planned_steps(*arguments) == steps


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0, 8, 1), "rows"), ((8, 0, 1), "batch_size"), ((8, 8, float("nan")), "epochs"), ((8, 8, 1, 1, 0), "max_steps")],
)
def test_planned_steps_of_nothing(arguments, name):
    with pytest.raises(ParameterError, match=f"{name} must be above 0"):
        planned_steps(*arguments)


@pytest.mark.parametrize(
    ("steps", "warmup", "expected"),
    [(625, 0.1, 62), (153, 0.1, 15), (1, 0.9, 0), (3, 0.99, 2), (30, 0.1, 3), (10, 0, 0)],
)
def test_warmup_is_a_share_and_always_ends(steps, warmup, expected):
    assert warmup_steps(steps, warmup) == expected


@pytest.mark.parametrize("warmup", [1, 1.5, -0.1, 5000])
def test_warmup_share_out_of_range(warmup):
    with pytest.raises(ParameterError, match="0 <= warmup < 1"):
        warmup_steps(625, warmup)


def test_warmup_steps_that_outlast_the_training():
    assert checked_warmup_steps(625, 624) == 624
    assert checked_warmup_steps(625, 0.1) == 62
    with pytest.raises(TrainingError, match="warm-up takes 5000 steps, but the training has 625"):
        checked_warmup_steps(625, 5000)
    with pytest.raises(TrainingError, match="warm-up takes 625 steps, but the training has 625"):
        checked_warmup_steps(625, 625)
    with pytest.raises(ParameterError, match="whole number"):
        checked_warmup_steps(625, 2.5)
