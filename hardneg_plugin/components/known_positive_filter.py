"""Dropping candidates that are a known positive: by id, by judgement, by text, nearly by text; and the query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import xxhash
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.parameters import in_range
from hardneg_plugin.components.passages import passage_texts
from hardneg_plugin.datasets.examples import JUDGED_RELEVANT
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.text import analysis_fingerprint, normalise

BLOCK = 1_000
_EXAMPLE_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
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

        :param examples: Any number; texts are read for 1,000 examples at a time.
        :returns: ``examples``: new examples whose known positives are dropped with a reason.
        """
        table = table_of(examples)
        positives = [[document.id for document in example.positives] for example in examples]
        table = table.drop(_same_id(positives, table), "positive: id")
        lower = [example.meta.get(JUDGED_RELEVANT, ()) for example in examples]
        table = table.drop(_same_id(lower, table), "positive: lower grade")
        removed = [[one["id"] for one in example.meta.get("removed_positives", ())] for example in examples]
        table = table.drop(_same_id(removed, table), "positive: removed")
        text, near, query = (np.zeros(len(table.passages), dtype=bool) for _ in range(3))
        remembered: dict[int, tuple[str, int]] = {}
        for start in range(0, len(examples), BLOCK):
            block = _Block(examples[start : start + BLOCK], table, start, remembered)
            block.mark_equal(block.positives, text)
            block.mark_equal(block.queries, query)
            if self.near_duplicate is not None:
                block.mark_near(self.near_duplicate, near)
        table = table.drop(text, "positive: text").drop(query, "query: text").drop(near, "positive: near-duplicate")
        return {"examples": with_table(examples, table)}


class _Block:
    """Normalised texts of some examples and of the candidates they have kept.

    :param examples: Examples ``start`` … of the table.
    :param table: All candidates.
    :param start: Number of the first example.
    :param remembered: Texts of earlier blocks and their hashes: a passage that many queries found is read once.
    """

    def __init__(
        self, examples: list[MiningExample], table: CandidateTable, start: int, remembered: dict[int, tuple[str, int]]
    ) -> None:
        first, last = int(table.offsets[start]), int(table.offsets[start + len(examples)])
        self._rows = first + np.flatnonzero(table.kept[first:last])
        passages, self._place = np.unique(table.passages[self._rows], return_inverse=True)
        if len(remembered) > REMEMBERED_TEXTS:
            remembered.clear()
        new = [passage for passage in passages.tolist() if passage not in remembered]
        levelled = [normalise(text) for text in passage_texts(table, new)]
        remembered.update(zip(new, zip(levelled, _hashes(levelled).tolist(), strict=True), strict=True))
        known = [remembered[passage] for passage in passages.tolist()]
        self._texts = [text for text, _ in known]
        self._hashes = np.array([number for _, number in known], dtype=np.uint64)
        self._lengths = np.array([len(text) for text in self._texts], dtype=np.int64)
        self._bounds = np.searchsorted(self._rows, table.offsets[start : start + len(examples) + 1])
        self.queries = [_levelled([example.query]) for example in examples]
        self.positives = [_levelled(document.content or "" for document in example.positives) for example in examples]

    def mark_equal(self, texts: list[list[str]], mask: NDArray[np.bool_]) -> None:
        """Mark the rows of the table whose text is one of their example's ``texts``."""
        # Hash and example as one number, so that all examples are compared at once.
        numbers = np.repeat(np.arange(len(texts), dtype=np.uint64), [len(wanted) for wanted in texts])
        wanted = _hashes([text for one in texts for text in one]) ^ (numbers * _EXAMPLE_MULTIPLIER)
        owner = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(self._bounds))
        found = self._hashes[self._place] ^ (owner * _EXAMPLE_MULTIPLIER)
        mask[self._rows] |= np.isin(found, wanted)

    def mark_near(self, lowest: float, mask: NDArray[np.bool_]) -> None:
        """Mark the rows of the table that are a near-duplicate of one of their example's positives."""
        from rapidfuzz.distance import Indel
        from rapidfuzz.process import cpdist

        first, second, rows = [], [], []
        counts = np.diff(self._bounds)
        for turn in range(max(map(len, self.positives), default=0)):
            positives = [texts[turn] if turn < len(texts) else "" for texts in self.positives]
            length = np.repeat(np.array([len(text) for text in positives], dtype=np.int64), counts)
            # The difference in length alone keeps most candidates below the threshold: d is at least that.
            total = self._lengths[self._place] + length
            possible = total - np.abs(self._lengths[self._place] - length) >= (lowest - ROUNDING) * total
            chosen = np.flatnonzero(possible & (length > 0))
            first.extend([self._texts[place] for place in self._place[chosen].tolist()])
            second.extend([positives[number] for number in np.repeat(np.arange(len(counts)), counts)[chosen].tolist()])
            rows.append(self._rows[chosen])
        if not first:
            return
        similarity = cpdist(
            first,
            second,
            scorer=Indel.normalized_similarity,
            score_cutoff=max(lowest - CUTOFF_ROUNDING, 0),
            dtype=np.float64,
            workers=-1,
        )
        mask[np.concatenate(rows)[similarity >= lowest - ROUNDING]] = True


def _levelled(texts: Iterable[str]) -> list[str]:
    """Return the texts to compare with; one of nothing but punctuation would equal every other such text."""
    return [levelled for text in texts if (levelled := normalise(text))]


def _hashes(texts: list[str]) -> NDArray[np.uint64]:
    digests = (xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts)
    return np.fromiter(digests, dtype=np.uint64, count=len(texts))


def _same_id(wanted: Sequence[Sequence[str]], table: CandidateTable) -> NDArray[np.bool_]:
    """Mark the rows of the table whose passage is one of the ids ``wanted`` of their example."""
    mask = np.zeros(len(table.passages), dtype=bool)
    ids = [identifier for group in wanted for identifier in group]
    rows = table.corpus.rows_of(ids) if table.corpus is not None else np.full(len(ids), -1)
    counts = [len(group) for group in wanted]
    owner = np.repeat(np.arange(len(wanted), dtype=np.int64), counts)
    known = rows >= 0
    if known.any():
        # Example and row as one number, so that all examples are compared at once.
        base = max(int(rows.max()), int(table.passages.max(initial=0))) + 1
        pairs = table.example_index * base + table.passages
        mask |= (table.passages >= 0) & np.isin(pairs, owner[known] * base + rows[known])
    if table.own:
        named, owners = [set(group) for group in wanted], table.example_index
        for row in np.flatnonzero(table.passages < 0).tolist():
            passage = int(table.passages[row])
            mask[row] |= table.own[-1 - passage].id in named[owners[row]]
    return mask
