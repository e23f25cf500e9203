"""Act on verdicts by label, and select unsure verdicts for a second judge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.components.parameters import in_range, one_of
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.llm.verdicts import FALSE_NEGATIVE, LABELS, UNDECIDED
from hardneg_plugin.records import CandidateTable, MiningExample, with_table
from hardneg_plugin.records.relabel import as_positives

ACTIONS = {"false_negative": "drop", "hard_negative": "keep", "easy_negative": "drop", "undecided": "drop"}
"""What happens unless a component is told otherwise."""
UNSURE_LABELS = (UNDECIDED,)
UNSURE_PROBABILITY = (0.2, 0.8)
_CHOICES = ("drop", "keep", "positive")


def act_on_labels(
    examples: list[MiningExample],
    table: CandidateTable,
    judged: NDArray[np.int64],
    actions: Mapping[str, str] | None,
    concerned: NDArray[np.bool_] | None,
) -> list[MiningExample]:
    """Return the examples with what is to be done with each label done.

    Rows are dropped as ``verdict: <label>``, relabelled as ``verdict: positive``, or never judged as
    ``verdict: not judged``.

    :param examples: ``n`` examples.
    :param table: Their ``m`` candidates, with verdicts.
    :param judged: Rows that the actions are about.
    :param actions: Label → ``drop``, ``keep`` or ``positive``; those left out as by default.
    :param concerned: Rows to drop where they are not among the judged, shape ``(m,)``; None drops none.
    """
    inside = np.zeros(len(table.passages), dtype=bool)
    inside[judged] = True
    labels = np.array(table.label.strings(), dtype=object)
    actions = {**ACTIONS, **(actions or {})}
    for label, action in actions.items():
        if action == "drop":
            table = table.drop(inside & (labels == label), f"verdict: {label}")
    if concerned is not None:
        table = table.drop(concerned & ~inside, "verdict: not judged")
    if actions[FALSE_NEGATIVE] != "positive":
        return with_table(examples, table)
    return as_positives(examples, table, inside & (labels == FALSE_NEGATIVE), "verdict: positive")


def check_actions(component: str, actions: object) -> None:
    """Check the parameter of that name.

    :raises ParameterError: If it is no mapping of labels to what may happen to them.
    """
    if actions is None:
        return
    if not isinstance(actions, dict):
        msg = f"{component}: actions must be a mapping of label to drop, keep or positive, got {actions!r}"
        raise ParameterError(msg)
    for label, action in actions.items():
        one_of(component, "a label of actions", label, LABELS)
        choices = _CHOICES if label == FALSE_NEGATIVE else _CHOICES[:2]
        one_of(component, f"actions[{label!r}]", action, choices)


def check_unsure(component: str, labels: object, probability: object) -> None:
    """Check the parameters that say which verdicts a second judge is asked about.

    :raises ParameterError: If they are no labels, or no two probabilities.
    """
    if labels is not None and not isinstance(labels, list):
        msg = f"{component}: unsure_labels must be a list of labels, got {labels!r}"
        raise ParameterError(msg)
    for label in labels or ():
        one_of(component, "a label of unsure_labels", label, LABELS)
    if probability is None:
        return
    if not isinstance(probability, list) or len(probability) != 2:
        msg = f"{component}: unsure_probability must be two numbers, got {probability!r}"
        raise ParameterError(msg)
    for value in probability:
        in_range(component, "unsure_probability", value, 0, 1)
