"""Act on verdicts by label, and select unsure verdicts for a second judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.llm.verdicts import FALSE_NEGATIVE, UNDECIDED
from hardneg_plugin.records import CandidateTable, MiningExample, with_table
from hardneg_plugin.records.relabel import as_positives
from hardneg_plugin.validation import Share, Words

ACTIONS = {"false_negative": "drop", "hard_negative": "keep", "easy_negative": "drop", "undecided": "drop"}
"""What happens unless a component is told otherwise."""
UNSURE_LABELS = (UNDECIDED,)
UNSURE_PROBABILITY = (0.2, 0.8)
Label = Literal["false_negative", "hard_negative", "easy_negative", "undecided"]
Actions = Annotated[
    dict[Label, Literal["drop", "keep", "positive"]], Words("a mapping of label to drop, keep or positive")
]
UnsureLabels = Annotated[list[Label], Words(f"a list of labels ({', '.join(get_args(Label))})")]
UnsureProbability = Annotated[list[Share], Len(2, 2), Words("two numbers from 0 to 1")]


def act_on_labels(
    examples: list[MiningExample],
    table: CandidateTable,
    judged: NDArray[np.int64],
    actions: Mapping[Any, str] | None,
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


def check_actions(component: str, actions: Mapping[Any, str] | None) -> None:
    """Check that nothing but a false negative becomes a positive.

    :raises ParameterError: If another label is to.
    """
    for label, action in (actions or {}).items():
        if action == "positive" and label != FALSE_NEGATIVE:
            msg = f"{component}: actions[{label!r}] must be one of drop, keep; got {action!r}"
            raise ParameterError(msg)
