"""The sample dataset as a source of passages, queries and judgements."""

from __future__ import annotations

from collections.abc import Iterator

from hardneg_plugin.datasets.rows import Passage, Qrel, Query
from hardneg_plugin.datasets.sample.encyclopedia import Encyclopedia
from hardneg_plugin.errors import DatasetError, ParameterError

VERSION = 1
"""Raised with every change that alters a row."""

_SPLITS = ("train", "train-full", "test")
_SMALLEST, _LARGEST = 1_000, 10_000_000


class SampleSource:
    """A fictional encyclopedia in eight languages and six scripts, generated while it is read.

    Invented towns, rivers, scholars, ships and minerals come in families of three look-alikes. Each entity has three
    facts; each fact has one query and is told by two to four passages in different words. The families are divided
    between training (five sixths) and test, so the splits share no entity. The judgements of ``train`` know one passage
    per query; ``train-full`` knows them all, which makes the rest the false negatives that a miner can step on.
    A larger sample contains every smaller one of the same seed. Memory does not grow with the size.

    :param passages: Passages to generate, 1,000 to 10,000,000; up to three fewer come, as a fact is never cut.
    :param seed: Seed of all names, values and wordings.
    :raises ParameterError: For a size outside that range, or a size or seed that is not an integer.
    """

    def __init__(self, passages: int = 3600, seed: int = 0) -> None:
        _check_int("passages", passages)
        _check_int("seed", seed)
        if not _SMALLEST <= passages <= _LARGEST:
            msg = f"sample: passages must be from {_SMALLEST:,} to {_LARGEST:,}, not {passages:,}"
            raise ParameterError(msg)
        self._passages = passages
        self._seed = seed
        self._encyclopedia = Encyclopedia(seed)

    @property
    def name(self) -> str:
        """Short name for folders and tables."""
        return "sample"

    def identity(self) -> dict[str, object]:
        """Give what decides the rows: kind, version, size and seed."""
        return {"kind": "sample", "version": VERSION, "passages": self._passages, "seed": self._seed}

    def passages(self) -> Iterator[Passage]:
        """Yield the corpus, entity by entity."""
        for fact in self._encyclopedia.facts(self._passages):
            for position, template in enumerate(fact.passages):
                text = template.format_map(fact.slots)
                yield Passage(fact.passage_id(position), text, language=fact.language)

    def queries(self) -> Iterator[Query]:
        """Yield one query per fact, with the fact's value as its answer."""
        for fact in self._encyclopedia.facts(self._passages):
            text = fact.question.format_map(fact.slots)
            yield Query(fact.id, text, fact.language, (fact.slots["v"],))

    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have judgements."""
        return _SPLITS

    def qrels(self, split: str) -> Iterator[Qrel]:
        """Yield the judgements of one split, all of grade 1.

        :param split: ``train`` (one known passage per query), ``train-full`` (all of them) or ``test`` (all of them).
        :raises DatasetError: For any other split.
        """
        if split not in _SPLITS:
            msg = f"sample: no split {split!r}; it has {', '.join(_SPLITS)}"
            raise DatasetError(msg)
        return self._qrels(split)

    def where(self, part: str) -> str:
        """Name the generator, since no file exists."""
        return f"sample generator (passages={self._passages}, seed={self._seed}), {part}"

    def _qrels(self, split: str) -> Iterator[Qrel]:
        wanted = "test" if split == "test" else "train"
        for fact in self._encyclopedia.facts(self._passages):
            if fact.split != wanted:
                continue
            positions = (fact.known,) if split == "train" else range(len(fact.passages))
            for position in positions:
                yield Qrel(fact.id, fact.passage_id(position), 1)


def _check_int(parameter: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"sample: {parameter} must be an integer, not {value!r}"
        raise ParameterError(msg)
