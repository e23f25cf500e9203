"""Dropping candidates that are cut from the same document as a positive."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
from haystack import component
from numpy.typing import NDArray

from hardneg_plugin.components.base import StageComponent
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import CandidateTable, MiningExample, table_of, with_table
from hardneg_plugin.validation import Name

_NAME = "ParentDocumentFilter"
_REASON = "parent: same document"
# All that a corpus keeps of a passage besides its id, text and language.
_CORPUS_KEYS = ("title",)
_NO_PARENT = -1


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

    :param parent_key: Key of ``Document.meta`` that names the parent. Passages of a corpus have only ``title``; a
        passage without the key has no parent and stays.
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

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Filter.

        :param examples: Any number.
        :returns: ``examples``: new examples without candidates from a positive's own document.
        :raises RecordError: If candidates are passages of a corpus, which does not keep ``parent_key``.
        """
        table = table_of(examples)
        self._check_corpus(table)
        codes: dict[str, int] = {}
        kept = np.flatnonzero(table.kept)
        passages, position = np.unique(table.passages[kept], return_inverse=True)
        parents = [self._candidate_parent(table, passage) for passage in passages.tolist()]
        candidate = _encoded(parents, codes)[position] if len(kept) else np.zeros(0, dtype=np.int64)
        documents = [document for example in examples for document in example.positives]
        positive = _encoded([self._parent(document.id, document.meta) for document in documents], codes)
        example = np.repeat(np.arange(len(table)), [len(one.positives) for one in examples])
        known = positive != _NO_PARENT
        # (example, parent) as one integer.
        own = (example * len(codes) + positive)[known]
        same = (candidate != _NO_PARENT) & np.isin(table.example_index[kept] * len(codes) + candidate, own)
        mask = np.zeros(len(table.passages), dtype=bool)
        mask[kept[same]] = True
        return {"examples": with_table(examples, table.drop(mask, _REASON))}

    def _check_corpus(self, table: CandidateTable) -> None:
        if self.parent_key is None or self.parent_key in _CORPUS_KEYS or not (table.kept & (table.passages >= 0)).any():
            return
        msg = (
            f"{_NAME}: candidates are passages of a corpus, which keeps no {self.parent_key!r} "
            f"(only {', '.join(_CORPUS_KEYS)}); use id_pattern"
        )
        raise RecordError(msg)

    def _candidate_parent(self, table: CandidateTable, passage: int) -> str:
        if passage < 0:
            own = table.own[-1 - passage]
            return self._parent(own.id, own.meta)
        assert table.corpus is not None
        if self._pattern is not None:
            return self._parent(table.corpus.ids([passage])[0], {})
        document = table.corpus.document(passage)
        return self._parent(document.id, document.meta)

    def _parent(self, identifier: str, meta: dict[str, object]) -> str:
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
