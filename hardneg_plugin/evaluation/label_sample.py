"""A stratified sample of candidates for a person to label: by source, rank band and verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from hardneg_plugin.datasets.labels import LabelRow
from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table

_BANDS = (10, 30, 100)
# One label of a stratum says nothing of its spread.
_FEWEST = 2
_NO_SOURCE, _NO_VERDICT = "no source", "no verdict"


def label_sample(examples: Sequence[MiningExample], size: int, seed: int = 0) -> list[LabelRow]:
    """Draw candidates for labelling: from each stratum as its share says, but two at least.

    Strata are the source that ranks a candidate best, the band of that rank (1 to 10, to 30, to 100, beyond) and the
    verdict. Inside one the draw is by a hash of seed and pair, so that the same run gives the same sample; the rows
    come in the order of another hash, so that whoever stops half way has labelled a random half.

    :param examples: Examples; only candidates that are kept are drawn.
    :param size: Rows wanted; all candidates where there are not more.
    :param seed: Seed of the draw.
    :returns: Rows without labels, each with its stratum and the candidates of it that it stands for.
    :raises EvaluationError: If no candidate is kept.
    """
    table = table_of(list(examples))
    examples = with_table(examples, table)
    kept = np.flatnonzero(table.kept)
    if not len(kept):
        msg = "no candidate is kept: there is nothing to label"
        raise EvaluationError(msg)
    names, strata = _strata(table, kept)
    draw = np.array([_hash(f"{seed}:{examples[example].id}:{row}") for example, row in _places(table, kept)])
    wanted = _allocation(np.bincount(strata, minlength=len(names)), size)
    chosen: list[tuple[int, int]] = []
    for stratum in range(len(names)):
        inside = np.flatnonzero(strata == stratum)
        first = inside[np.argsort(draw[inside], kind="stable")][: wanted[stratum]]
        chosen += [(position, stratum) for position in first.tolist()]
    counts = np.bincount(strata, minlength=len(names))
    rows = [
        _row(examples, table, int(kept[position]), names[stratum], counts[stratum] / wanted[stratum])
        for position, stratum in chosen
    ]
    return sorted(rows, key=lambda row: _hash(f"order:{seed}:{row.query_id}:{row.passage_id}"))


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def _places(table: CandidateTable, kept: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the example of each row, and the row's place in it."""
    example = table.example_index[kept]
    return list(zip(example.tolist(), (kept - table.offsets[example]).tolist(), strict=True))


def _best_source(table: CandidateTable) -> NDArray[np.int64]:
    """Return the number of the source that ranks each candidate best; -1 without one."""
    best, number = table.best_rank(), np.full(len(table.passages), -1, dtype=np.int64)
    for position, ranks in enumerate(table.ranks.values()):
        number[(number < 0) & (ranks > 0) & (ranks == best)] = position
    return number


def _strata(table: CandidateTable, kept: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the strata that have candidates, and the stratum of each kept row."""
    source = _best_source(table)[kept]
    band = np.searchsorted(_BANDS, table.best_rank()[kept])
    verdict = table.label.codes[kept].astype(np.int64)
    code = ((source + 1) * (len(_BANDS) + 1) + band) * len(table.label.values) + verdict
    found, number = np.unique(code, return_inverse=True)
    sources, starts = [_NO_SOURCE, *table.ranks], (1, *(end + 1 for end in _BANDS))
    names = []
    for value in found.tolist():
        rest, said = divmod(value, len(table.label.values))
        position, of_band = divmod(rest, len(_BANDS) + 1)
        ranks = f"{starts[of_band]} to {_BANDS[of_band]}" if of_band < len(_BANDS) else f"from {starts[of_band]}"
        names.append(f"{sources[position]}, {ranks}, {table.label.values[said] or _NO_VERDICT}")
    return names, number.astype(np.int64)


def _allocation(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return how many to draw of each stratum: its share, two at least, never more than there are."""
    wanted: NDArray[np.int64] = np.minimum(counts, np.maximum(_FEWEST, np.floor(size * counts / counts.sum()))).astype(
        np.int64
    )
    # What rounding down and small strata leave over goes where the share is missed by most.
    while wanted.sum() < min(size, counts.sum()):
        missing = np.where(wanted < counts, size * counts / counts.sum() - wanted, -np.inf)
        wanted[int(np.argmax(missing))] += 1
    return wanted


def _row(examples: Sequence[MiningExample], table: CandidateTable, row: int, stratum: str, weight: float) -> LabelRow:
    example = examples[int(table.example_index[row])]
    candidate = example.candidates[row - int(table.offsets[example.candidates.index])]
    source, rank = int(_best_of(table, row)), int(min((r[row] for r in table.ranks.values() if r[row]), default=0))
    return LabelRow(
        query_id=example.id,
        passage_id=candidate.id,
        query=example.query,
        positive=(example.positives[0].content or "") if example.positives else "",
        passage=candidate.text,
        source=list(table.ranks)[source] if source >= 0 else "",
        rank=rank or None,
        verdict=candidate.verdict.label if candidate.verdict else "",
        stratum=stratum,
        weight=float(weight),
    )


def _best_of(table: CandidateTable, row: int) -> int:
    """Return the number of the source that ranks a row best; -1 without one."""
    ranks = [int(column[row]) or np.iinfo(np.int32).max for column in table.ranks.values()]
    return int(np.argmin(ranks)) if ranks and min(ranks) < np.iinfo(np.int32).max else -1
