"""Dropping candidates that are cut from the same document as a positive."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from haystack import component
from haystack.dataclasses import Document
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import CandidateTable, Corpus, MiningExample, table_of, with_table
from hardneg_plugin.validation import Name

_NAME = "ParentDocumentFilter"
_REASON = "parent: same document"
# All that a corpus keeps of a passage besides its id, text and language, unless it is asked to.
_CORPUS_KEYS = ("title",)
_NO_PARENT = -1

logger = logging.getLogger(__name__)


@component
class ParentDocumentFilter(StageComponent):
    r"""Drops candidates that are chunks of the document that a positive is a chunk of.

    The neighbours of the passage that answers often answer too, or repeat it: chunks overlap. Reason:
    ``parent: same document``.

    ### Usage example

    ```python
    from hardneg_plugin import ParentDocumentFilter

    by_id = ParentDocumentFilter(id_pattern=r"^(.*)#\d+$")  # manual#12 and manual#13 are chunks of manual
    by_meta = ParentDocumentFilter(parent_key="source_id")  # what Haystack's DocumentSplitter writes
    ```

    :param parent_key: Key of ``Document.meta`` that names the parent. Passages of a dataset have only ``title``; those
        of a document store what the miner's ``meta_fields`` keeps. A positive that lacks the key is looked up in the
        corpus; a passage without the key has no parent and stays.
    :param id_pattern: Regular expression with one group, the parent's id in a chunk's id. An id that it does not match
        is that of a whole document.
    :raises ParameterError: If not exactly one of the two is given, or the pattern is none with exactly one group.
    """

    version: ClassVar[int] = 1

    def __init__(self, parent_key: Name | None = None, id_pattern: str | None = None) -> None:
        if (parent_key is None) == (id_pattern is None):
            msg = f"{_NAME}: give either parent_key or id_pattern, got {parent_key!r} and {id_pattern!r}"
            raise ParameterError(msg)
        self.parent_key = parent_key
        self.id_pattern = id_pattern
        self._pattern = None if id_pattern is None else _compiled(id_pattern)
        self._known = False

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: Any number.
        :returns: ``examples``: new examples without candidates from a positive's own document.
        :raises RecordError: If the candidates' corpus does not keep ``parent_key``, or no document has it.
        """
        table = table_of(examples)
        self._check_corpus(table)
        codes: dict[str, int] = {}
        kept = np.flatnonzero(table.kept)
        passages, position = np.unique(table.passages[kept], return_inverse=True)
        parents = self._candidate_parents(table, passages)
        candidate = _encoded(parents, codes)[position] if len(kept) else np.zeros(0, dtype=np.int64)
        documents = [document for example in examples for document in example.positives]
        of_positives = self._positive_parents(table.corpus, documents)
        self._check_found(parents, of_positives)
        positive = _encoded(of_positives, codes)
        example = np.repeat(np.arange(len(table)), [len(one.positives) for one in examples])
        known = positive != _NO_PARENT
        # (example, parent) as one integer.
        own = (example * len(codes) + positive)[known]
        same = (candidate != _NO_PARENT) & np.isin(table.example_index[kept] * len(codes) + candidate, own)
        mask = np.zeros(len(table.passages), dtype=bool)
        mask[kept[same]] = True
        return {"examples": with_table(examples, table.drop(mask, _REASON))}

    def _check_corpus(self, table: CandidateTable) -> None:
        if self.parent_key is None or table.corpus is None or not (table.kept & (table.passages >= 0)).any():
            return
        keys = tuple(dict.fromkeys((*_CORPUS_KEYS, *table.corpus.meta_fields)))
        if self.parent_key in keys:
            return
        msg = (
            f"{_NAME}: candidates are passages of a corpus, which keeps no {self.parent_key!r} "
            f"(only {', '.join(keys)}); use id_pattern, or where the corpus is a document store, the miner's "
            f"meta_fields=[{self.parent_key!r}]"
        )
        raise RecordError(msg)

    def _check_found(self, candidates: list[str], positives: list[str]) -> None:
        """Check that the key is somewhere, once: later shards may hold whole documents alone.

        :raises RecordError: If there are candidates and positives, and none has the key.
        """
        if self.parent_key is None or self._known or not candidates or not positives:
            return
        if any(positives):
            self._known = True
            return
        msg = (
            f"{_NAME}: none of {len(positives)} positives has the key {self.parent_key!r} in its meta, and "
            f"{sum(map(bool, candidates))} of {len(candidates)} candidates have: nothing can be dropped; "
            "give the positives the id or the meta of their passages, name another key, or use id_pattern"
        )
        if not any(candidates):
            raise RecordError(msg)
        logger.warning(msg)

    def _candidate_parents(self, table: CandidateTable, passages: NDArray[np.int64]) -> list[str]:
        rows = passages[passages >= 0]
        named: Sequence[tuple[str, Mapping[str, object]]] = []
        if table.corpus is not None and len(rows):
            metas = [{} for _ in rows] if self._pattern is not None else table.corpus.metas(rows)
            named = list(zip(table.corpus.ids(rows), metas, strict=True))
        # Own documents have the lowest numbers: they come first.
        own = [table.own[-1 - passage] for passage in passages[passages < 0].tolist()]
        return [self._parent(name, meta) for name, meta in [*((one.id, one.meta) for one in own), *named]]

    def _positive_parents(self, corpus: Corpus | None, documents: Sequence[Document]) -> list[str]:
        parents = [self._parent(document.id, document.meta) for document in documents]
        if self._pattern is None and corpus is not None:
            lacking = [position for position, parent in enumerate(parents) if not parent]
            rows = corpus.rows_of([documents[position].id for position in lacking])
            there = np.flatnonzero(rows >= 0)
            for position, meta in zip(there.tolist(), corpus.metas(rows[there]), strict=True):
                parents[lacking[position]] = self._parent("", meta)
        return parents

    def _parent(self, identifier: str, meta: Mapping[str, object]) -> str:
        """Return what names the parent; empty where nothing does."""
        if self._pattern is None:
            value = meta.get(str(self.parent_key))
            return "" if value is None else str(value)
        match = self._pattern.search(identifier)
        return (match[1] or "") if match else identifier


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        msg = f"{_NAME}: id_pattern {pattern!r} is no regular expression: {error}"
        raise ParameterError(msg) from error
    if compiled.groups != 1:
        msg = f"{_NAME}: id_pattern must have exactly one group, the parent's id; {pattern!r} has {compiled.groups}"
        raise ParameterError(msg)
    return compiled


def _encoded(parents: list[str], codes: dict[str, int]) -> NDArray[np.int64]:
    """Return a number for each parent, the same for the same ones, and -1 for none."""
    numbers = (codes.setdefault(parent, len(codes)) if parent else _NO_PARENT for parent in parents)
    return np.fromiter(numbers, dtype=np.int64, count=len(parents))
