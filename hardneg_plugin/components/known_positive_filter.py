"""Dropping candidates that are a known positive: by id, by judgement, by text, nearly by text; and the query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.parameters import in_range
from hardneg_plugin.components.passages import passage_text, passage_texts
from hardneg_plugin.datasets.examples import JUDGED_RELEVANT
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint, normalise
from hardneg_plugin.text.levelled_marks import corpus_marks, marks_of, may_be_near

PAIRS_AT_ONCE = 100_000
REMEMBERED_TEXTS = 100_000
# A similarity of exactly the threshold counts, however its fraction was rounded; rapidfuzz's own cutoff loses some.
ROUNDING, CUTOFF_ROUNDING = 1e-9, 1e-6


@component
class KnownPositiveFilter:
    """Drops every candidate that is one of its example's positives, or the query.

    Reasons: ``positive: id``, ``positive: lower grade`` (judged relevant, but below the grade of a positive: the ids in
    an example's ``meta["judged_relevant"]``), ``positive: removed`` (what a ``QualityFilter`` took out of the example
    does not come back as its negative), ``positive: text`` (equal after Unicode, case, punctuation and space are
    levelled), ``positive: near-duplicate`` (the levelled texts differ in few insertions and deletions) and
    ``query: text``. Ids alone are not enough: corpora hold the same text under several ids.

    ### Usage example

    ```python
    from hardneg_plugin import KnownPositiveFilter

    examples = KnownPositiveFilter(near_duplicate=0.9).run(examples=examples)["examples"]
    [candidate.dropped for candidate in examples[0].candidates]  # ['positive: id', '', '']
    ```

    :param near_duplicate: Lowest similarity of a near-duplicate of any positive, above 0 and up to 1:
        ``1 - d / (n + m)`` for levelled texts of ``n`` and ``m`` characters that are ``d`` insertions and deletions
        apart (rapidfuzz's normalised Indel similarity); None compares whole texts only.
    :raises ParameterError: If it is out of range.
    """

    version: ClassVar[int] = 2
    needs_all_examples: ClassVar[bool] = False

    def __init__(self, near_duplicate: float | None = 0.9) -> None:
        if near_duplicate is not None:
            in_range("KnownPositiveFilter", "near_duplicate", near_duplicate, 0, 1)
        if near_duplicate == 0:
            msg = "KnownPositiveFilter: near_duplicate must be above 0: every text is as similar as that"
            raise ParameterError(msg)
        self.near_duplicate = near_duplicate

    @staticmethod
    def depends_on() -> list[str]:
        """Return fingerprints of rules outside this class that decide over the result."""
        return [analysis_fingerprint()]

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: Any number; 100,000 texts are held at a time.
        :returns: ``examples``: new examples whose known positives are dropped with a reason.
        """
        table = table_of(examples)
        positives = [[document.id for document in example.positives] for example in examples]
        table = table.drop(_same_id(positives, table), "positive: id")
        lower = [example.meta.get(JUDGED_RELEVANT, ()) for example in examples]
        table = table.drop(_same_id(lower, table), "positive: lower grade")
        removed = [[one["id"] for one in example.meta.get("removed_positives", ())] for example in examples]
        table = table.drop(_same_id(removed, table), "positive: removed")
        wanted = [_levelled(document.content or "" for document in example.positives) for example in examples]
        texts = _Texts(table)
        text = texts.equal(wanted)
        query = texts.equal([_levelled([example.query]) for example in examples])
        near = np.zeros(len(table.passages), dtype=bool)
        if self.near_duplicate is not None:
            near = texts.near(wanted, self.near_duplicate)
        table = table.drop(text, "positive: text").drop(query, "query: text").drop(near, "positive: near-duplicate")
        return {"examples": with_table(examples, table)}


class _Texts:
    """The levelled texts of the candidates that a table has kept, by their marks.

    :param table: All candidates.
    """

    def __init__(self, table: CandidateTable) -> None:
        self._table = table
        self._rows = np.flatnonzero(table.kept)
        self._passages, self._place = _distinct(table.passages[self._rows])
        self._owner = table.example_index[self._rows]
        own = int(np.searchsorted(self._passages, 0))
        self._marks = marks_of(normalise(passage_text(table, passage)) for passage in self._passages[:own].tolist())
        if own < len(self._passages):
            assert table.corpus is not None
            self._marks = self._marks.joined(corpus_marks(table.corpus, self._passages[own:]))

    def equal(self, texts: list[list[str]]) -> NDArray[np.bool_]:
        """Return a mask of the rows of the table whose text is one of their example's ``texts``."""
        mask = np.zeros(len(self._table.passages), dtype=bool)
        wanted = marks_of(text for one in texts for text in one).hashes
        mask[self._rows] = _is_one_of(self._marks.hashes[self._place], self._owner, wanted, list(map(len, texts)))
        return mask

    def near(self, positives: list[list[str]], lowest: float) -> NDArray[np.bool_]:
        """Return a mask of the rows of the table that are a near-duplicate of one of their example's positives."""
        mask = np.zeros(len(self._table.passages), dtype=bool)
        remembered: dict[int, str] = {}
        for turn in range(max(map(len, positives), default=0)):
            compared = [texts[turn] if turn < len(texts) else "" for texts in positives]
            near = may_be_near(self._marks, self._place, marks_of(compared), self._owner, lowest - ROUNDING)
            chosen = np.flatnonzero(near)
            for start in range(0, len(chosen), PAIRS_AT_ONCE):
                pairs = chosen[start : start + PAIRS_AT_ONCE]
                first = self._levelled(self._place[pairs], remembered)
                second = [compared[number] for number in self._owner[pairs].tolist()]
                mask[self._rows[pairs[_similarities(first, second, lowest) >= lowest - ROUNDING]]] = True
        return mask

    def _levelled(self, places: NDArray[np.int64], remembered: dict[int, str]) -> list[str]:
        """Return texts of passages by their places; one that many queries found is read once."""
        if len(remembered) > REMEMBERED_TEXTS:
            remembered.clear()
        new = [place for place in np.unique(places).tolist() if place not in remembered]
        texts = passage_texts(self._table, self._passages[new]) if new else []
        remembered.update(zip(new, map(normalise, texts), strict=True))
        return [remembered[place] for place in places.tolist()]


def _similarities(first: list[str], second: list[str], lowest: float) -> NDArray[np.float64]:
    """Compare texts pair by pair; what is below ``lowest`` may come out as 0."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    found: NDArray[np.float64] = cpdist(
        first,
        second,
        scorer=Indel.normalized_similarity,
        score_cutoff=max(lowest - CUTOFF_ROUNDING, 0),
        dtype=np.float64,
        workers=-1,
    )
    return found


def _levelled(texts: Iterable[str]) -> list[str]:
    """Return the texts to compare with; one of nothing but punctuation would equal every other such text."""
    return [levelled for text in texts if (levelled := normalise(text))]


def _same_id(wanted: Sequence[Sequence[str]], table: CandidateTable) -> NDArray[np.bool_]:
    """Mark the rows of the table whose passage is one of the ids ``wanted`` of their example."""
    mask = np.zeros(len(table.passages), dtype=bool)
    ids = [identifier for group in wanted for identifier in group]
    rows = table.corpus.rows_of(ids) if table.corpus is not None else np.full(len(ids), -1)
    counts = [len(group) for group in wanted]
    if (rows >= 0).any():
        mask |= (table.passages >= 0) & _is_one_of(table.passages, table.example_index, rows, counts)
    if table.own:
        named, owners = [set(group) for group in wanted], table.example_index
        for row in np.flatnonzero(table.passages < 0).tolist():
            passage = int(table.passages[row])
            mask[row] |= table.own[-1 - passage].id in named[owners[row]]
    return mask


def _is_one_of(
    values: NDArray[Any], owner: NDArray[np.int64], wanted: NDArray[Any], counts: Sequence[int]
) -> NDArray[np.bool_]:
    """Tell of each value whether it is one of those that its example wants.

    :param values: Any number.
    :param owner: Example of each, same shape.
    :param wanted: What the first example wants, what the second wants, and so on.
    :param counts: How many each wants.
    """
    mask = np.zeros(len(values), dtype=bool)
    number = np.array(counts, dtype=np.int64)
    first = np.cumsum(number) - number
    for turn in range(int(number.max(initial=0))):
        some = np.flatnonzero((number > turn)[owner])
        mask[some] |= values[some] == wanted[first[owner[some]] + turn]
    return mask


def _distinct(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct numbers in ascending order, and the place of each among them; by marks, without sorting."""
    if not len(numbers):
        return numbers, numbers
    lowest = int(numbers.min())
    present = np.zeros(int(numbers.max()) - lowest + 1, dtype=bool)
    present[numbers - lowest] = True
    places = np.cumsum(present, dtype=np.int32) - 1
    return np.flatnonzero(present) + lowest, places[numbers - lowest].astype(np.int64)
