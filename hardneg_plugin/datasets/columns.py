"""Find the columns of a table of pairs: query, positive, negatives, language, answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
# Names of columns beside the texts of a pair, and of the parts of other tables.
ID_COLUMNS = ("_id", "id", "query_id", "corpus_id", "docid", "doc_id", "qid", "pid", "passage_id", "document_id")
TEXT_COLUMNS = {
    "queries": ("text", "query", "question"),
    "corpus": ("text", "passage", "contents", "content", "document"),
}
TITLE_COLUMNS = ("title",)
QUERY_ID_COLUMNS = ("query-id", "query_id", "qid", "anchor_id", "queryid")
PASSAGE_ID_COLUMNS = ("corpus-id", "corpus_id", "passage_id", "pid", "docid", "doc_id", "document_id")
GRADE_COLUMNS = ("score", "grade", "relevance", "label", "rel")
_TEXTS = {name for names in TEXT_COLUMNS.values() for name in names}
_BESIDE = {
    *ID_COLUMNS,
    *TITLE_COLUMNS,
    *QUERY_ID_COLUMNS,
    *PASSAGE_ID_COLUMNS,
    *GRADE_COLUMNS,
    *("labels", "scores", "positive_id", "negative_ids", "index", "__index_level_0__", ""),
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


def is_usual(name: str) -> bool:
    """Tell whether files of pairs, corpora, judgements or labels use a name for a column."""
    known = any(name in names for names in KNOWN_NAMES.values())
    return known or name in _BESIDE or name in _TEXTS or _NUMBERED_NEGATIVE.fullmatch(name) is not None


def by_position(names: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the roles of columns by their place, where no name says them: the query's before the positive's.

    Columns that have a usual name of something else are passed over, so that an id in front is no query.

    :param names: Columns of the table.
    :param wanted: Role → name of its column, as the caller has it.
    :returns: Role → column, for the roles that a name does not give.
    """
    roles = [
        role
        for role in REQUIRED_ROLES
        if role not in wanted and not any(name in names and name not in wanted.values() for name in KNOWN_NAMES[role])
    ]
    taken = {name for role, known in KNOWN_NAMES.items() if role not in roles for name in known}
    free = [
        name
        for name in names
        if name not in {*wanted.values(), *taken, *_BESIDE} and not _NUMBERED_NEGATIVE.fullmatch(name)
    ]
    return dict(zip(roles, free, strict=False))


def choose_columns(names: Sequence[str], wanted: Mapping[str, str], location: str, spec: str | None) -> Columns:
    """Return the columns of a table: those that were named, and for other roles the one with a usual name.

    :param names: Columns of the table.
    :param wanted: Role → name of its column; a column named here is not looked at for another role.
    :param location: The file, for messages.
    :param spec: Spec without options, for messages; None where columns are named by arguments.
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
            msg = f"{location}: {missing}; columns: {', '.join(names)}; {_naming(role, ['COLUMN'], spec)}"
            raise DatasetError(msg)
        chosen[role] = name
    negatives = (chosen["negative"],) if "negative" in chosen else _numbered_negatives(free)
    return Columns(chosen["anchor"], chosen["positive"], negatives, chosen.get("language"), chosen.get("answers"))


class LateColumns:
    """The columns of rows that may bring new ones.

    :param columns: Those of the first rows.
    :param choose: Names, roles that were named, place → the columns.
    :param wanted: Role → name of its column, as it was named.
    :param location: The file, for messages.
    """

    def __init__(
        self,
        columns: Columns,
        choose: Callable[[list[str], Mapping[str, str], str], Columns],
        wanted: Mapping[str, str],
        location: str,
    ) -> None:
        self._columns, self._choose, self._wanted, self._place = columns, choose, wanted, location
        self._names = dict.fromkeys(
            name
            for name in (columns.anchor, columns.positive, *columns.negatives, columns.language, columns.answers)
            if name is not None
        )

    def of(self, row: Mapping[str, object]) -> Columns:
        """Return the columns, those that a row brings among them.

        :raises DatasetError: If a new column could be what another one is already.
        """
        if not row.keys() <= self._names.keys():
            names = [*self._names, *(name for name in row if name not in self._names)]
            columns = self._choose(names, self._wanted, self._place)
            if columns[:2] != self._columns[:2]:
                msg = f"{self._place}: the column of the query or of the positive would be another from here on"
                raise DatasetError(msg)
            self._columns, self._names = columns, dict.fromkeys(names)
        return self._columns


def _naming(role: str, columns: Sequence[str], spec: str | None) -> str:
    """Return how a column is named, for messages."""
    if spec is None:
        argument = f"{role}_column_name" if role in REQUIRED_ROLES else f"the column of the {role}"
        return f"name it with {argument}" if role in REQUIRED_ROLES else f"leave out all but one of {argument}"
    if columns == ["COLUMN"]:
        return f"name it as in {spec}?{role}=COLUMN"
    return f"name the one to read, {spec}" + " or ".join(f"?{role}={name}" for name in columns)


def _usual(role: str, names: Sequence[str], location: str, spec: str | None) -> str | None:
    """Return the one column with a usual name of a role, or None; numbered negatives are not looked for."""
    found = [name for name in KNOWN_NAMES[role] if name in names]
    numbered = _numbered_negatives(names) if role == "negative" else ()
    if len(found) + bool(numbered) > 1:
        several = ", ".join([*numbered, *found])
        naming = _naming(role, [*numbered[:1], *found], spec)
        msg = f"{location}: several columns could be the {role}: {several}; {naming}"
        raise DatasetError(msg)
    return found[0] if found else None


def _numbered_negatives(names: Sequence[str]) -> tuple[str, ...]:
    """Return ``negative`` and ``negative_1`` … in the order of their numbers."""
    matches = [match for name in names if (match := _NUMBERED_NEGATIVE.fullmatch(name))]
    return tuple(match.group() for match in sorted(matches, key=lambda match: int(match.group(1) or 0)))
