"""The rows that every dataset source yields: passages, queries and judgements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol


class Passage(NamedTuple):
    """One passage of a corpus.

    :param id: Id, unique in the corpus.
    :param text: Text without its title.
    :param title: Title, or an empty string.
    :param language: ISO 639-1 code, or an empty string where it is not known.
    :param line: Line of the source file (from 1), for messages; 0 where there is none.
    :param file: The file, where the part has several.
    """

    id: str
    text: str
    title: str = ""
    language: str = ""
    line: int = 0
    file: str = ""


class Query(NamedTuple):
    """One query.

    :param id: Id, unique in the dataset.
    :param text: The question or search text.
    :param language: ISO 639-1 code, or an empty string where it is not known.
    :param answers: Short answers, where the dataset has them.
    :param line: Line of the source file (from 1), for messages; 0 where there is none.
    :param file: The file, where the part has several.
    """

    id: str
    text: str
    language: str = ""
    answers: tuple[str, ...] = ()
    line: int = 0
    file: str = ""


class Qrel(NamedTuple):
    """One relevance judgement.

    :param query_id: Id of the query.
    :param passage_id: Id of the passage.
    :param grade: 0 is not relevant; 1 and more are degrees of relevance.
    :param line: Line of the source file (from 1), for messages; 0 where there is none.
    :param file: The file, where the part has several.
    """

    query_id: str
    passage_id: str
    grade: int
    line: int = 0
    file: str = ""


def short_answers(value: Any) -> tuple[str, ...] | None:
    """Return the answers in a cell: one string, or a list of them; None if it holds anything else.

    The same answer given by several annotators is one answer.
    """
    listed = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(listed, list) or not all(isinstance(answer, str) for answer in listed):
        return None
    return tuple(dict.fromkeys(answer for answer in listed if answer.strip()))


class Source(Protocol):
    """Source of a dataset; every iterator streams and may be started again."""

    @property
    def name(self) -> str:
        """Short name for folders and tables, such as ``msmarco``."""

    def identity(self) -> dict[str, object]:
        """Cheap JSON-able identity of the content: equal identities promise equal rows."""

    def passages(self) -> Iterator[Passage]:
        """Yield the corpus in a fixed order."""

    def queries(self) -> Iterator[Query]:
        """Yield the queries of all splits."""

    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have judgements."""

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the judgements of one split."""

    def where(self, part: str) -> str:
        """File or other place to name in a message; ``part`` is ``corpus``, ``queries`` or ``qrels/<split>``."""
