"""Dropping candidates that are a known positive: by id, by judgement, by text, nearly by text; and the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.datasets.examples import JUDGED_RELEVANT
from hardneg_plugin.mining.normalized_texts import NormalizedTexts
from hardneg_plugin.mining.passages import document_rows
from hardneg_plugin.records import CandidateTable, Corpus, MiningExample, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint
from hardneg_plugin.text.text_signatures import passes_length_and_count_filter
from hardneg_plugin.validation import NotZeroShare

PAIRS_AT_ONCE = 100_000
# A similarity of exactly the threshold counts, however its fraction was rounded; rapidfuzz's own cutoff loses some.
ROUNDING, CUTOFF_ROUNDING = 1e-9, 1e-6


@component
class KnownPositiveFilter(StageComponent):
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
        return {"examples": with_table(examples, self._without_copies(examples, table))}

    def _without_copies(self, examples: list[MiningExample], table: CandidateTable) -> CandidateTable:
        """Drop the candidates whose text is that of a positive or of the query."""
        rows = np.flatnonzero(table.kept)
        owner = table.example_index[rows]
        found = NormalizedTexts(table.corpus, table.passages[rows], lambda own: table.own[own].content or "")
        positives, query = _positives(table.corpus, examples), _queries(examples)
        masks = {
            "positive: text": _is_one_of(
                found.hashes, owner, positives.texts.hashes[positives.which], positives.counts
            ),
            "query: text": _is_one_of(found.hashes, owner, query.texts.hashes[query.which], query.counts),
        }
        if self.near_duplicate is not None:
            masks["positive: near-duplicate"] = _near(found, owner, positives, self.near_duplicate)
        for reason, mask in masks.items():
            whole = np.zeros(len(table.passages), dtype=bool)
            whole[rows] = mask
            table = table.drop(whole, reason)
        return table


class _Lookup(NamedTuple):
    """Texts that the candidates of each example are compared with.

    :param texts: Any texts.
    :param which: Numbers of those of the first example, of the second, and so on.
    :param counts: How many each example has, shape ``(examples,)``.
    """

    texts: NormalizedTexts
    which: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, texts: NormalizedTexts, counts: list[int]) -> _Lookup:
        """Leave out texts of nothing but punctuation: each would equal every other such text."""
        some = texts.lengths > 0
        owner = np.repeat(np.arange(len(counts)), counts)[some]
        return cls(texts, np.flatnonzero(some), np.bincount(owner, minlength=len(counts)))


def _positives(corpus: Corpus | None, examples: list[MiningExample]) -> _Lookup:
    documents = [document for example in examples for document in example.positives]
    rows = document_rows(corpus, documents)
    rows = np.where(rows < 0, -1 - np.arange(len(rows)), rows)
    texts = NormalizedTexts(corpus, rows, lambda number: documents[number].content or "")
    return _Lookup.of(texts, [len(example.positives) for example in examples])


def _queries(examples: list[MiningExample]) -> _Lookup:
    texts = NormalizedTexts(None, -1 - np.arange(len(examples)), lambda number: examples[number].query)
    return _Lookup.of(texts, [1] * len(examples))


def _near(found: NormalizedTexts, owner: NDArray[np.int64], wanted: _Lookup, lowest: float) -> NDArray[np.bool_]:
    """Tell of each text that was found whether it is a near-duplicate of one of those that its example has."""
    mask = np.zeros(len(owner), dtype=bool)
    for some, position in _batches(owner, wanted.counts):
        others = wanted.which[position]
        near = passes_length_and_count_filter(*found.marks(some), *wanted.texts.marks(others), lowest - ROUNDING)
        some, others = some[near], others[near]
        for start in range(0, len(some), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            alike = _similarities(found.texts(some[part]), wanted.texts.texts(others[part]), lowest)
            mask[some[part][alike >= lowest - ROUNDING]] = True
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


def _same_id(wanted: Sequence[Sequence[str]], table: CandidateTable) -> NDArray[np.bool_]:
    """Mark the rows of the table whose passage is one of the ids ``wanted`` of their example."""
    mask = np.zeros(len(table.passages), dtype=bool)
    ids = [identifier for group in wanted for identifier in group]
    rows = table.corpus.rows_of(ids) if table.corpus is not None else np.full(len(ids), -1)
    counts = np.array([len(group) for group in wanted], dtype=np.int64)
    if (rows >= 0).any():
        mask |= (table.passages >= 0) & _is_one_of(table.passages, table.example_index, rows, counts)
    if table.own:
        named, owners = [set(group) for group in wanted], table.example_index
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
