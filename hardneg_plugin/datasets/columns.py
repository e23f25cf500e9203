"""Find the columns of a table of pairs: query, positive, negatives, language, answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hardneg_plugin.errors import DatasetError

# Names that such files use. What is found under two names of one role could be either: nobody guesses.
KNOWN_NAMES = {
    "anchor": ("anchor", "query", "question", "sentence1"),
    "positive": ("positive", "pos", "positives", "positive_passages", "answer", "context", "passage"),
    "negative": ("neg", "negatives", "negative_passages"),
    "language": ("language", "lang"),
    "answers": ("answers",),
}
REQUIRED_ROLES = ("anchor", "positive")
# Tuples of a query, a positive and n negatives, as sentence-transformers writes them; all of them are negatives.
_NUMBERED_NEGATIVE = re.compile(r"negative(?:_(\d+))?")


class Columns(NamedTuple):
    """Names of the columns by role.

    :param anchor: The queries.
    :param positive: The positives, one text or a list of texts in a cell.
    :param negatives: The negatives, one text, a list of texts or nothing in a cell.
    :param language: ISO 639-1 codes, or None where there is no such column.
    :param answers: Short answers, or None where there is no such column.
    """

    anchor: str
    positive: str
    negatives: tuple[str, ...] = ()
    language: str | None = None
    answers: str | None = None


def choose_columns(names: Sequence[str], wanted: Mapping[str, str], location: str, spec: str) -> Columns:
    """Return the columns of a table: those that were named, and for other roles the one with a usual name.

    :param names: Columns of the table.
    :param wanted: Role → name of its column; a column named here is not looked at for another role.
    :param place: The file, for messages.
    :param spec: Spec without options, for messages.
    :raises DatasetError: If a named column is missing, the anchor or the positive cannot be found, or several columns
        have a usual name of one role.
    """
    free = [name for name in names if name not in wanted.values()]
    chosen: dict[str, str] = {}
    for role in KNOWN_NAMES:
        name = wanted.get(role)
        if name is None:
            name = _usual(role, free, location, spec)
        if name is None and role not in REQUIRED_ROLES:
            continue
        if name is None or name not in names:
            missing = f"no column for the {role}" if name is None else f"no column {name!r}"
            msg = f"{location}: {missing}; columns: {', '.join(names)}; name it as in {spec}?{role}=COLUMN"
            raise DatasetError(msg)
        chosen[role] = name
    negatives = (chosen["negative"],) if "negative" in chosen else _numbered_negatives(free)
    return Columns(chosen["anchor"], chosen["positive"], negatives, chosen.get("language"), chosen.get("answers"))


def _usual(role: str, names: Sequence[str], location: str, spec: str) -> str | None:
    """Return the one column with a usual name of a role, or None; numbered negatives are not looked for."""
    found = [name for name in KNOWN_NAMES[role] if name in names]
    numbered = _numbered_negatives(names) if role == "negative" else ()
    if len(found) + bool(numbered) > 1:
        options = " or ".join(f"?{role}={name}" for name in [*numbered[:1], *found])
        several = ", ".join([*numbered, *found])
        msg = f"{location}: several columns could be the {role}: {several}; name the one to read, {spec}{options}"
        raise DatasetError(msg)
    return found[0] if found else None


def _numbered_negatives(names: Sequence[str]) -> tuple[str, ...]:
    """Return ``negative`` and ``negative_1`` … in the order of their numbers."""
    matches = [match for name in names if (match := _NUMBERED_NEGATIVE.fullmatch(name))]
    return tuple(match.group() for match in sorted(matches, key=lambda match: int(match.group(1) or 0)))
