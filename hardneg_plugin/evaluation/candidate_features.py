"""Features of candidates for a model of false negatives, comparable between queries.

Nothing in them tells one query from another, or a model of a few hundred queries would learn them by heart: scores come
with their distance to the positive's, to the mean over the query's candidates, and with their place among these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.llm.verdicts import EASY_NEGATIVE, FALSE_NEGATIVE, HARD_NEGATIVE
from hardneg_plugin.records import CandidateTable, MiningExample
from hardneg_plugin.records.table import index_within_group
from hardneg_plugin.search.dense.search import Encoder, encode
from hardneg_plugin.text.analyzer import Analyzer

Floats = NDArray[np.float32]
# A label that says less than a hard negative is 0, one that says more 2: an order, as the criteria of a judge have it.
_VERDICTS = {EASY_NEGATIVE: 0.0, HARD_NEGATIVE: 1.0, FALSE_NEGATIVE: 2.0}
_OF_A_VERDICT = "false_negative:"
BUDGET_SCORER = "budget"
"""Name of the score that a budget leaves behind: P(false negative), which no later model may learn from."""
_MOST_LANGUAGES = 30


class CandidateFeatures:
    """Names and values of the features of a table's candidates.

    Of every scorer: the score, less the best positive's, less the query's mean, and the share of the query's candidates
    below. Of every source: the logarithm of the rank, and the source's own score in standard deviations of the query's.
    How many sources found the candidate; the verdict (0 easy, 1 hard, 2 false negative) and the judge's number; the
    language. Of the texts: the share of the query's terms in the passage, that less the positive's, the overlap with
    the nearest positive (weighted Jaccard), and the length against the positive's. Terms weigh the more, the fewer of
    the query's own candidates have them. Of a model: the cosine with the nearest positive, and that less the query's
    mean; a passage that is like the positive is likely to answer the query, too. What is not there is NaN.

    :param examples: Examples, ``n`` of them.
    :param table: Their candidates.
    :param verdicts: Whether verdicts may be looked at; not where they are what is to be foretold.
    :param texts: Whether texts may be.
    :param encoder: Model that tells how near candidates are to the positive; None is no such numbers.
    """

    def __init__(
        self,
        examples: Sequence[MiningExample],
        table: CandidateTable,
        *,
        verdicts: bool = True,
        texts: bool = True,
        encoder: Encoder | None = None,
    ) -> None:
        self._verdicts, self._texts, self._encoder = verdicts, texts, encoder
        self._scorers = [
            name for name in table.scores if name != BUDGET_SCORER and (verdicts or not name.startswith(_OF_A_VERDICT))
        ]
        self._sources = list(table.ranks)
        languages = sorted({example.language for example in examples})
        self._languages = languages if 1 < len(languages) <= _MOST_LANGUAGES else []

    def of(self, examples: Sequence[MiningExample], table: CandidateTable, rows: NDArray[np.bool_]) -> Floats:
        """Return the numbers on some candidates.

        :param examples: Examples of the table, or some of them.
        :param table: Their candidates, ``m`` rows.
        :param rows: Which rows are wanted, shape ``(m,)``; the others are part of what these are compared with.
        :returns: Shape ``(rows wanted, features)``.
        """
        columns: list[NDArray[np.float64]] = []
        for name in self._scorers:
            columns += _of_scores(table, table.scores[name], table.positive_scores.get(name))
        for name in self._sources:
            ranks = table.ranks[name].astype(np.float64)
            columns.append(np.log(np.where(ranks > 0, ranks, np.nan)))
            columns.append(_standardised(table, table.source_scores[name]))
        columns.append(np.sum([ranks > 0 for ranks in table.ranks.values()], axis=0, dtype=np.float64))
        if self._verdicts:
            said = np.array([_VERDICTS.get(label, np.nan) for label in table.label.values])[table.label.codes]
            columns += [said, *_of_scores(table, table.label_score, None)]
        spoken = np.array([example.language for example in examples], dtype=object)[table.example_index]
        columns += [np.equal(spoken, language).astype(np.float64) for language in self._languages]
        wanted = [np.broadcast_to(column, rows.shape)[rows] for column in columns]
        if self._texts:
            wanted += list(_of_texts(examples, table, rows).T)
        if self._encoder is not None:
            # Nearness is compared among those that are asked about.
            near = np.full(len(rows), np.nan)
            near[rows] = _nearness(self._encoder, examples, table, rows)
            mean, _ = _moments(near, table.example_index, len(table))
            wanted += [near[rows], (near - mean[table.example_index])[rows]]
        return np.column_stack(wanted).astype(np.float32)


def _of_scores(table: CandidateTable, scores: Floats, positives: Floats | None) -> list[NDArray[np.float64]]:
    values, index = scores.astype(np.float64), table.example_index
    mean, _ = _moments(values, index, len(table))
    columns = [values, values - mean[index], _share_below(values, table)]
    if positives is not None:
        best = np.full(len(table), np.nan)
        np.fmax.at(
            best, np.repeat(np.arange(len(table)), np.diff(table.positive_offsets)), positives.astype(np.float64)
        )
        columns.append(values - best[index])
    return columns


def _standardised(table: CandidateTable, scores: Floats) -> NDArray[np.float64]:
    values, index = scores.astype(np.float64), table.example_index
    mean, spread = _moments(values, index, len(table))
    return np.asarray((values - mean[index]) / np.where(spread > 0, spread, 1.0)[index])


def _moments(
    values: NDArray[np.float64], index: NDArray[np.int64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation over each example's values; NaN where it has none."""
    known = ~np.isnan(values)
    count = np.bincount(index[known], minlength=size).astype(np.float64)
    count[count == 0] = np.nan
    mean = np.bincount(index[known], weights=values[known], minlength=size) / count
    off = np.where(known, values - mean[index], 0.0)
    return mean, np.sqrt(np.bincount(index, weights=off * off, minlength=size) / count)


def _share_below(values: NDArray[np.float64], table: CandidateTable) -> NDArray[np.float64]:
    """Return the share of the example's candidates with a lower score; NaN sorts last and counts for nobody."""
    order, position = table.ordered_by(values), index_within_group(table.offsets)
    ordered = values[order]
    # Equal scores have the place of the first of them.
    first = np.ones(len(order), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]) | (position[1:] == 0)
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    count = np.bincount(table.example_index[~np.isnan(values)], minlength=len(table)).astype(np.float64)
    share = np.empty(len(order))
    share[order] = position[start] if len(order) else position
    return np.where(np.isnan(values), np.nan, share / np.where(count > 0, count, 1.0)[table.example_index])


def _of_texts(examples: Sequence[MiningExample], table: CandidateTable, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the four numbers on the texts of the wanted rows, shape ``(rows wanted, 4)``."""
    analyzer, found = Analyzer(), []
    for number, example in enumerate(examples):
        start, end = int(table.offsets[number]), int(table.offsets[number + 1])
        wanted = np.flatnonzero(rows[start:end])
        if not len(wanted):
            continue
        # Terms are rare or common among those that are asked about: others may not even have been kept.
        passages = [example.candidates[int(position)].text for position in wanted]
        positives = [document.content or "" for document in example.positives]
        terms = analyzer.tokenize([example.query, *positives, *passages])
        cut = 1 + len(positives)
        found.append(_overlaps(set(terms[0]), terms[1:cut], terms[cut:]))
    return np.concatenate(found) if found else np.zeros((0, 4))


def _nearness(
    encoder: Encoder, examples: Sequence[MiningExample], table: CandidateTable, rows: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the cosine of each wanted row with the nearest positive of its query; each passage is encoded once."""
    index = table.example_index
    wanted = np.flatnonzero(rows)
    passages, number = np.unique(table.passages[wanted], return_inverse=True)
    _, first = np.unique(number, return_index=True)
    texts = [
        examples[int(index[row])].candidates[row - int(table.offsets[index[row]])].text
        for row in wanted[first].tolist()
    ]
    positives = [document.content or "" for example in examples for document in example.positives]
    if not len(passages) or not positives:
        return np.full(len(wanted), np.nan)
    found, known = (_unit(encode(encoder, part, kind="passage", batch_size=64)) for part in (texts, positives))
    near = np.full(len(wanted), np.nan)
    starts = table.positive_offsets
    most = int(np.diff(starts).max(initial=0))
    for position in range(most):
        row = starts[index[wanted]] + position
        there = row < starts[index[wanted] + 1]
        values = (found[number[there]] * known[row[there]]).sum(axis=1)
        near[there] = np.fmax(near[there], values)
    return near


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0))


def _overlaps(
    query: set[str], positives: Sequence[Sequence[str]], passages: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    distinct = [set(terms) for terms in passages]
    counts: dict[str, int] = {}
    for terms in distinct:
        for term in terms:
            counts[term] = counts.get(term, 0) + 1
    size = len(passages)

    def weight(terms: set[str]) -> float:
        return sum(float(np.log1p(size / (1 + counts.get(term, 0)))) for term in terms)

    whole = weight(query) or np.nan
    known = [set(terms) for terms in positives]
    own = max((weight(query & terms) / whole for terms in known), default=np.nan)
    length = np.mean([len(terms) for terms in positives]) if positives else np.nan
    rows = []
    for terms, listed in zip(distinct, passages, strict=True):
        share = weight(query & terms) / whole
        near = max((weight(terms & other) / (weight(terms | other) or 1.0) for other in known), default=np.nan)
        rows.append((share, share - own, near, np.log((1 + len(listed)) / (1 + length))))
    return np.array(rows)
