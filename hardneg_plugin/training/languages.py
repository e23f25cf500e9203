"""Languages in training: how many rows of each an epoch has, and which of them share a batch.

Where one language has many more rows than another, few batches hold the other. With an exponent a, a language of n rows
has a share of the epoch in proportion to ``n ** a`` (Conneau et al., 2020, use 0.3), and the epoch as many rows as the
table. With batches of one language, every in-batch negative is in the language of the query.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xxhash

from hardneg_plugin.errors import ParameterError, RecordError, TrainingError
from hardneg_plugin.training.batches import NoDuplicatesBatchSampler, pack
from hardneg_plugin.training.columns import TextKeys
from hardneg_plugin.training.schedule import batches_per_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import datasets

logger = logging.getLogger(__name__)

LANGUAGE = "language"
BatchLanguages = Literal["mixed", "same"]
MIXED: BatchLanguages = "mixed"
SAME: BatchLanguages = "same"
BATCH_LANGUAGES: tuple[BatchLanguages, ...] = (MIXED, SAME)


@dataclass(frozen=True)
class LanguageShares:
    """Number of rows that an epoch takes of each language.

    :param names: The languages, sorted.
    :param rows: Rows of each in the table; ``int64``.
    :param quotas: Rows of each in an epoch.
    :param same: Whether a batch holds one language.
    """

    names: tuple[str, ...]
    rows: tuple[npt.NDArray[np.int64], ...]
    quotas: tuple[int, ...]
    same: bool

    def batches(self, batch_size: int) -> list[int]:
        """Return the number of batches of each language, or of all together where batches are mixed.

        A batch of one language holds at most as many rows as the language has, so that none is in it twice.
        """
        if not self.same:
            return [batches_per_epoch(sum(self.quotas), batch_size)]
        sizes = [min(batch_size, len(rows)) for rows in self.rows]
        return [batches_per_epoch(quota, size) for quota, size in zip(self.quotas, sizes, strict=True)]

    def batches_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches of an epoch."""
        return sum(self.batches(batch_size))

    def check_batches(self, batch_size: int, keys: TextKeys) -> None:
        """Check that no row has to meet itself in a batch, and none without a negative is alone in one.

        :param batch_size: Largest number of rows in a batch.
        :param keys: Hashes of the texts of each row.
        :raises TrainingError: If one has to.
        """
        batches = self.batches(batch_size) if self.same else self.batches(batch_size) * len(self.names)
        for name, rows, quota, number in zip(self.names, self.rows, self.quotas, batches, strict=True):
            times = -(-quota // len(rows))
            if times > number:
                msg = (
                    f"language_exponent: an epoch of {number} batches has each row of language {name!r} up to {times} "
                    f"times ({len(rows)} rows, {quota} drawn), so that one meets itself in a batch; "
                    "raise language_exponent or lower batch_size"
                )
                raise TrainingError(msg)
            bare = rows[keys.negative_counts[rows] == 0]
            if self.same and quota // number == 1 and len(bare):
                msg = (
                    f"batch_languages same: language {name!r} has batches of one row ({len(rows)} rows, batch_size "
                    f"{batch_size}), and row {bare[0]} has no negative: there is nothing to tell its positive from"
                )
                raise TrainingError(msg)

    @property
    def digest(self) -> str:
        """Identity of the languages of the rows: 32 hex digits."""
        state = xxhash.xxh3_128()
        for name, rows in zip(self.names, self.rows, strict=True):
            state.update(f"{name}\0{len(rows)}\0".encode("utf-8", "surrogatepass"))
            state.update(rows.tobytes())
        return state.hexdigest()


class LanguageBatches(NoDuplicatesBatchSampler):
    """Batches without duplicates over the rows that an epoch takes of each language.

    The rows of a language are shuffled once, by the seed, and the epochs take them in turn, from the first again behind
    the last: none is drawn again before all the others were. A row that is drawn twice in an epoch shares its texts
    with itself, so the two go to different batches.

    :param keys: Hashes of the texts of each row.
    :param shares: What an epoch takes of each language.
    :param batch_size: Largest number of rows in a batch.
    :param seed: Seed of the shuffles.
    """

    def __init__(self, keys: TextKeys, shares: LanguageShares, batch_size: int, seed: int) -> None:
        super().__init__(keys, batch_size, seed)
        self._shares = shares
        # The third number tells these shuffles from those of an epoch.
        self._orders = [
            np.random.default_rng((seed, number, 1)).permutation(rows) for number, rows in enumerate(shares.rows)
        ]

    def __len__(self) -> int:
        return self._shares.batches_per_epoch(self.batch_size)

    def _pack(self, rng: np.random.Generator) -> tuple[list[list[int]], int]:
        drawn = [self._drawn(order, quota) for order, quota in zip(self._orders, self._shares.quotas, strict=True)]
        groups = drawn if self._shares.same else [np.concatenate(drawn)]
        batches: list[list[int]] = []
        conflicting = 0
        for rows, number in zip(groups, self._shares.batches(self.batch_size), strict=True):
            packed, late = pack(self._keys.take(rows), number, rng)
            batches += [rows[batch].tolist() for batch in packed]
            conflicting += late
        return [batches[number] for number in rng.permutation(len(batches))], conflicting

    def _warn(self, conflicting: int) -> None:
        logger.warning(
            "%d of %d rows that an epoch draws share a batch with a row of the same query or passage: "
            "it is drawn more often than there are batches for it",
            conflicting,
            sum(self._shares.quotas),
        )

    def _drawn(self, order: npt.NDArray[np.int64], quota: int) -> npt.NDArray[np.int64]:
        """Return the rows that the epoch has of a language: a row comes as often as any other, or once more."""
        positions = (self.epoch * quota + np.arange(quota)) % len(order)
        return order[positions]


def check_languages(exponent: object, batch_languages: object) -> None:
    """Check the two settings.

    :raises ParameterError: If the exponent is no number from 0 to 1, or the choice is unknown.
    """
    number = isinstance(exponent, int | float) and not isinstance(exponent, bool)
    if exponent is not None and not (number and 0 <= exponent <= 1):  # type: ignore[operator]  # it is a number
        msg = f"language_exponent must be None or a number from 0 to 1, got {exponent!r}"
        raise ParameterError(msg)
    if batch_languages not in BATCH_LANGUAGES:
        msg = f"batch_languages must be one of {', '.join(BATCH_LANGUAGES)}, got {batch_languages!r}"
        raise ParameterError(msg)


def share_languages(
    dataset: datasets.Dataset, exponent: float | None, batch_languages: BatchLanguages
) -> LanguageShares | None:
    """Work out what an epoch takes of each language.

    :param dataset: The training table, with a column ``language``.
    :param exponent: Power of a language's rows that its share is in proportion to; ``None`` takes every row once.
    :param batch_languages: ``mixed``, or ``same`` for batches of one language.
    :returns: ``None`` where neither is asked for; the table needs no languages then.
    :raises RecordError: If rows have no language; names their number.
    """
    if exponent is None and batch_languages == MIXED:
        return None
    names = np.array(_languages_of(dataset))
    present = sorted(set(names.tolist()))
    rows = tuple(np.flatnonzero(names == name).astype(np.int64) for name in present)
    counts = [len(each) for each in rows]
    quotas = counts if exponent is None else language_quotas(counts, exponent)
    return LanguageShares(tuple(present), rows, tuple(quotas), same=batch_languages == SAME)


def language_quotas(counts: Sequence[int], exponent: float) -> list[int]:
    """Share an epoch among languages; largest remainders are rounded up, the first of equals first.

    :param counts: Rows of each language, at least 1.
    :param exponent: From 0 (all languages alike) to 1 (as they are).
    :returns: Rows of each in an epoch, at least 1; as many in all as there are.
    """
    weights = np.array(counts, np.float64) ** exponent
    exact = sum(counts) * weights / weights.sum()
    quotas = np.floor(exact).astype(np.int64)
    left = sum(counts) - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:left]] += 1
    return [int(quota) for quota in quotas]


def _languages_of(dataset: datasets.Dataset) -> list[str]:
    if LANGUAGE not in dataset.column_names:
        msg = (
            f"language_exponent and batch_languages need the language of every row, but the training table of "
            f"{len(dataset)} rows has no column {LANGUAGE!r}; its columns are {dataset.column_names}"
        )
        raise RecordError(msg)
    if dataset.features[LANGUAGE].dtype not in ("string", "large_string", "null"):
        msg = f"column {LANGUAGE!r} of the training table must hold texts, got {dataset.features[LANGUAGE]}"
        raise RecordError(msg)
    names: list[str | None] = dataset.with_format(None)[LANGUAGE][:]
    missing = [row for row, name in enumerate(names) if name is None or not name.strip()]
    if missing:
        msg = (
            f"language_exponent and batch_languages need the language of every row, but {len(missing)} of "
            f"{len(names)} rows have none, row {missing[0]} first"
        )
        raise RecordError(msg)
    return [str(name) for name in names]
