"""A corpus in the order of its ids, from passages that came in any order, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hardneg_plugin.cache import staging_folder
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.records.corpus import PASSAGES_FILE, SCHEMA, Corpus
from hardneg_plugin.records.corpus_meta import KIND, MetaWriter, publish_meta
from hardneg_plugin.records.corpus_writer import CorpusWriter, publish_corpus
from hardneg_plugin.records.row_writer import BATCH_ROWS, RowWriter

_META = "meta"
_UNSORTED = SCHEMA.append(pa.field(_META, pa.string()))
_UNSORTED_FILE = f"unsorted-{PASSAGES_FILE}"


class Sorted(NamedTuple):
    """A corpus in the order of its ids.

    :param corpus: The corpus.
    :param order: Shape ``(rows,)``: for each row the number of the passage that it was, in the order they came.
    """

    corpus: Corpus
    order: NDArray[np.int64]


class UnsortedCorpus(RowWriter):
    """Context manager that takes passages in any order; :meth:`publish` then puts them in that of their ids.

    Memory: one batch of rows, and 8 bytes a row while they are put in order.

    :param folder: An existing, empty folder inside the cache.
    :param meta_fields: Keys of the documents' meta that are kept.
    """

    def __init__(self, folder: Path, meta_fields: Sequence[str]) -> None:
        super().__init__(folder / _UNSORTED_FILE, _UNSORTED)
        self._fields = meta_fields
        self.rows = 0

    def add(self, identifier: str, text: str, language: str, meta: str) -> None:
        """Append one passage.

        :param identifier: Its id.
        :param text: Its text.
        :param language: Its language; empty where it is not known.
        :param meta: Its meta, as :func:`hardneg_plugin.records.corpus_meta.packed` wrote it.
        """
        self._append((identifier, text, "", language, meta))
        self.rows += 1

    def publish(self) -> Sorted:
        """Return the corpus of what was added, from the cache.

        :raises DatasetError: If two passages have the same id.
        """
        import pyarrow.compute as pc

        with pa.memory_map(str(self._path)) as source:
            table = pa.ipc.open_file(source).read_all()
            # UTF-8 sorts as the code points do: the order of Python's own sort.
            order = pc.sort_indices(table.column("id")).to_numpy().astype(np.int64)
            with staging_folder("corpus") as folder, staging_folder(KIND) as beside:
                with CorpusWriter(folder) as writer, MetaWriter(beside, self._fields) as metas:
                    _write_sorted(table, order, writer, metas)
                corpus = publish_corpus(folder, writer.key)
                if self._fields:
                    corpus = Corpus.open(f"{corpus.key}+{publish_meta(beside, metas.key).key}")
        return Sorted(corpus, order)


def _write_sorted(table: pa.Table, order: NDArray[np.int64], writer: CorpusWriter, metas: MetaWriter) -> None:
    last: str | None = None
    for start in range(0, len(order), BATCH_ROWS):
        part = table.take(pa.array(order[start : start + BATCH_ROWS]))
        columns = (part.column(name).to_pylist() for name in ("id", "text", "title", "language", _META))
        for identifier, text, title, language, meta in zip(*columns, strict=True):
            if identifier == last:
                msg = f"two documents have the id {identifier!r}"
                raise DatasetError(msg)
            writer.add(identifier, text, title, language)
            metas.add(meta)
            last = identifier
