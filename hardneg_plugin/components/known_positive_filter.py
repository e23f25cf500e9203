"""Dropping candidates that are a known positive: by id, by judgement, by text, nearly by text; and the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.components.same_query import SameQuery
from hardneg_plugin.datasets.examples import JUDGED_RELEVANT, SAME_QUERY
from hardneg_plugin.mining.normalized_texts import NormalizedTexts
from hardneg_plugin.mining.passages import document_rows
from hardneg_plugin.records import CandidateTable, Corpus, MiningExample, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.text.telling_differences import is_near_copy
from hardneg_plugin.text.text_signatures import passes_length_and_count_filter
from hardneg_plugin.validation import NotZeroShare

PAIRS_AT_ONCE = 100_000
# A similarity of exactly the threshold counts, however its fraction was rounded; rapidfuzz's own cutoff loses some.
ROUNDING, CUTOFF_ROUNDING = 1e-9, 1e-6


@component
class KnownPositiveFilter(StageComponent):
    """Drops every candidate that is one of its example's positives, or the query, and all but one of equal candidates.

    Reasons: ``positive: id``, ``positive: lower grade`` (judged relevant, but below the grade of a positive: the ids in
    an example's ``meta["judged_relevant"]``), ``positive: removed`` (what a ``QualityFilter`` took out of the example
    does not come back as its negative), ``positive: same query`` (a positive of another example with an equal query),
    ``positive: text`` (equal to any of these after Unicode, case, punctuation and space are levelled), ``positive:
    near-duplicate`` (the levelled texts differ in few insertions and deletions), ``query: text`` and ``repeated text``
    (a candidate of a better rank has an equal text). Ids alone are not enough: corpora hold the same text under several
    ids, and query logs the same query.

    Queries are equal if their levelled texts are. Of the examples of one call the filter sees that itself; the ids of
    positives that an equal query has elsewhere in a split stand in ``meta["same_query"]``.

    Texts that differ in a number, a date, a unit, a code, a sign or operator, or a negation are no near-duplicates,
    however few letters that is (see :mod:`hardneg_plugin.text.telling_differences`); nor is a generated passage that
    lacks the answer that the positive has.

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

    version: ClassVar[int] = 3

    def __init__(self, near_duplicate: NotZeroShare | None = 0.9) -> None:
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
        table = table.drop(_same_id([_removed(example) for example in examples], table), "positive: removed")
        same_query = SameQuery.of(examples)
        table = table.drop(_same_id(same_query.positive_ids, table, same_query.group), "positive: same query")
        return {"examples": with_table(examples, self._without_copies(examples, table, same_query.group))}

    def _without_copies(
        self, examples: list[MiningExample], table: CandidateTable, group: NDArray[np.int64]
    ) -> CandidateTable:
        """Drop the candidates whose text is that of a positive, of the query or of another candidate."""
        rows = np.flatnonzero(table.kept)
        example = table.example_index[rows]
        owner = group[example]
        found = NormalizedTexts(table.corpus, table.passages[rows], lambda own: table.own[own].content or "")
        positives, query = _positives(table.corpus, examples, group), _queries(examples, group)
        masks = {
            "positive: text": positives.hold(found.hashes, owner),
            "query: text": query.hold(found.hashes, owner),
        }
        if self.near_duplicate is not None:
            exempt = _Swapped(examples, table, rows)
            masks["positive: near-duplicate"] = _near(found, owner, positives, self.near_duplicate, exempt)
        for reason, mask in masks.items():
            table = _drop(table, rows, mask, reason)
        return _drop(table, rows, repeated_texts(table, rows, found), "repeated text")


def repeated_texts(table: CandidateTable, rows: NDArray[np.int64], found: NormalizedTexts) -> NDArray[np.bool_]:
    """Mark the candidates that are kept and whose text one of a better rank has, in the same example.

    :param table: Candidates.
    :param rows: Rows of the table.
    :param found: Their texts.
    """
    ranks = table.best_rank()[rows].astype(np.int64)
    order = np.lexsort((np.where(ranks > 0, ranks, np.iinfo(np.int64).max), found.hashes, table.example_index[rows]))
    order = order[table.kept[rows[order]] & (found.lengths[order] > 0)]
    example, hashes = table.example_index[rows[order]], found.hashes[order]
    again = (example[1:] == example[:-1]) & (hashes[1:] == hashes[:-1])
    mask = np.zeros(len(rows), dtype=bool)
    mask[order[1:][again]] = True
    return mask


def _drop(table: CandidateTable, rows: NDArray[np.int64], mask: NDArray[np.bool_], reason: str) -> CandidateTable:
    """Drop those of some rows that are marked."""
    whole = np.zeros(len(table.passages), dtype=bool)
    whole[rows] = mask
    return table.drop(whole, reason)


class _Lookup(NamedTuple):
    """Texts that the candidates of each group of examples are compared with.

    :param texts: Any texts.
    :param which: Numbers of those of the first group, of the second, and so on.
    :param counts: How many each group has, shape ``(groups,)``.
    """

    texts: NormalizedTexts
    which: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, texts: NormalizedTexts, group: NDArray[np.int64], groups: int) -> _Lookup:
        """Leave out texts of nothing but punctuation: each would equal every other such text."""
        some = np.flatnonzero(texts.lengths > 0)
        some = some[np.argsort(group[some], kind="stable")]
        return cls(texts, some, np.bincount(group[some], minlength=groups))

    def hold(self, hashes: NDArray[np.uint64], owner: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each text, by its hash, whether it is one of its group's."""
        return _is_one_of(hashes, owner, self.texts.hashes[self.which], self.counts)


def _positives(corpus: Corpus | None, examples: list[MiningExample], group: NDArray[np.int64]) -> _Lookup:
    """Return the positives of all examples of equal queries, and what else is known to be relevant."""
    documents = [document for example in examples for document in example.positives]
    owner = np.repeat(group, [len(example.positives) for example in examples])
    rows = document_rows(corpus, documents)
    rows = np.where(rows < 0, -1 - np.arange(len(rows)), rows)
    known = [[*example.meta.get(JUDGED_RELEVANT, ()), *example.meta.get(SAME_QUERY, ())] for example in examples]
    if corpus is not None and any(known):
        named = corpus.rows_of([str(identifier) for ids in known for identifier in ids])
        of_named = np.repeat(group, [len(ids) for ids in known])
        rows, owner = np.append(rows, named[named >= 0]), np.append(owner, of_named[named >= 0])
    texts = NormalizedTexts(corpus, rows, lambda number: documents[number].content or "")
    return _Lookup.of(texts, owner, len(examples))


def _queries(examples: list[MiningExample], group: NDArray[np.int64]) -> _Lookup:
    first = np.unique(group, return_index=True)[1].astype(np.int64)
    texts = NormalizedTexts(None, -1 - first, lambda number: examples[number].query)
    return _Lookup.of(texts, group[first], len(examples))


class _Swapped:
    """Answers of generated candidates: a copy of a positive with another answer counts as another text."""

    def __init__(self, examples: list[MiningExample], table: CandidateTable, rows: NDArray[np.int64]) -> None:
        self._examples, self._table, self._rows = examples, table, rows

    def answers(self, candidate: int) -> tuple[Sequence[str], str]:
        """Return the answers that a copy of a positive must have, and their language; none for a corpus passage."""
        row = self._rows[candidate]
        example = self._examples[int(self._table.example_index[row])]
        return (example.answers if self._table.passages[row] < 0 else ()), example.language


def _near(
    found: NormalizedTexts, owner: NDArray[np.int64], wanted: _Lookup, lowest: float, swapped: _Swapped
) -> NDArray[np.bool_]:
    """Tell of each text that was found whether it is a near-duplicate of one of those that its group has."""
    mask = np.zeros(len(owner), dtype=bool)
    for some, position in _batches(owner, wanted.counts):
        others = wanted.which[position]
        near = passes_length_and_count_filter(*found.marks(some), *wanted.texts.marks(others), lowest - ROUNDING)
        near &= ~mask[some]
        some, others = some[near], others[near]
        for start in range(0, len(some), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            texts, other_texts = found.texts(some[part]), wanted.texts.texts(others[part])
            alike = _similarities(texts, other_texts, lowest) >= lowest - ROUNDING
            for pair in np.flatnonzero(alike).tolist():
                number = int(some[part][pair])
                mask[number] = is_near_copy(texts[pair], other_texts[pair], *swapped.answers(number))
    return mask


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


def _removed(example: MiningExample) -> Sequence[str]:
    """Return the ids of what a filter took out of an example's positives."""
    removed = example.meta.get("removed_positives")
    return [one["id"] for one in removed] if removed else ()


def _same_id(
    wanted: Sequence[Sequence[str]], table: CandidateTable, group: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Mark the rows of the table whose passage is one of the ids ``wanted`` of their example, or of its group."""
    mask = np.zeros(len(table.passages), dtype=bool)
    ids = [identifier for one in wanted for identifier in one]
    if not ids:
        return mask
    owners = table.example_index if group is None else group[table.example_index]
    rows = table.corpus.rows_of(ids) if table.corpus is not None else np.full(len(ids), -1)
    counts = np.array([len(one) for one in wanted], dtype=np.int64)
    if (rows >= 0).any():
        mask |= (table.passages >= 0) & _is_one_of(table.passages, owners, rows, counts)
    if table.own:
        named = [set(one) for one in wanted]
        for row in np.flatnonzero(table.passages < 0).tolist():
            passage = int(table.passages[row])
            mask[row] |= table.own[-1 - passage].id in named[owners[row]]
    return mask


def _is_one_of(
    values: NDArray[Any], owner: NDArray[np.int64], wanted: NDArray[Any], counts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell of each value whether it is one of those that its example wants.

    :param values: Any number.
    :param owner: Example of each, same shape.
    :param wanted: What the first example wants, what the second wants, and so on.
    :param counts: How many each wants.
    """
    from hardneg_plugin.mining.table_kernels import mark_wanted

    mask = np.zeros(len(values), dtype=bool)
    mark_wanted(values, owner, wanted, np.cumsum(counts), mask)
    return mask


def _batches(
    owner: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of what was found and what its example wants: all with the first, all with the second, and so on."""
    first = np.cumsum(counts) - counts
    for turn in range(int(counts.max(initial=0))):
        some = np.flatnonzero((counts > turn)[owner])
        yield some, first[owner[some]] + turn
