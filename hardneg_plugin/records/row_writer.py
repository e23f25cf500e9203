"""Arrow files of text columns, written row by row in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

BATCH_ROWS = 8192


class RowWriter:
    """Context manager that writes rows of texts in batches; after an error the last batch is left out.

    :param path: The file, in an existing folder.
    :param schema: Columns, all of them texts.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._pending: list[tuple[str, ...]] = []

    def __enter__(self) -> Self:
        self._file = pa.OSFile(str(self._path), "wb")
        self._writer = pa.ipc.new_file(self._file, self._schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._file.close()
        if kind is None:
            self._finish()

    def _append(self, row: tuple[str, ...]) -> None:
        self._pending.append(row)
        if len(self._pending) == BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            columns = list(zip(*self._pending, strict=True))
            self._note(columns)
            arrays = [pa.array(column, pa.string()) for column in columns]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._pending.clear()

    def _note(self, columns: Sequence[tuple[str, ...]]) -> None:
        """Take note of a batch before it is written."""

    def _finish(self) -> None:
        """Write what belongs beside the file, once it is whole."""
