"""Handle bad rows: stop at the first, or skip and count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from hardneg_plugin.datasets.limits import MAX_ROW_BYTES
from hardneg_plugin.errors import DatasetError, ParameterError

BadRows = Literal["error", "skip"]
_SHOWN = 5


class RowProblems:
    """Counts bad rows by part of the dataset and kind, or raises at the first.

    :param on_bad_row: ``error`` or ``skip``.
    :param max_row_bytes: Most bytes of a row of a text file; a longer one is a bad row.
    :param max_unpacked_bytes: Most bytes that a packed file may unpack to; None takes a limit by its size.
    :raises ParameterError: If it is neither.
    """

    def __init__(
        self,
        on_bad_row: BadRows = "error",
        *,
        max_row_bytes: int = MAX_ROW_BYTES,
        max_unpacked_bytes: int | None = None,
    ) -> None:
        if on_bad_row not in get_args(BadRows):
            msg = f"on_bad_row must be one of {', '.join(get_args(BadRows))}; got {on_bad_row!r}"
            raise ParameterError(msg)
        self.on_bad_row = on_bad_row
        self.max_row_bytes, self.max_unpacked_bytes = max_row_bytes, max_unpacked_bytes
        self._counts: dict[str, Counter[str]] = {}
        self.examples: dict[str, list[str]] = {}

    def start(self, part: str) -> None:
        """Forget what was counted for a part: it is about to be read again."""
        self._counts[part] = Counter()
        self.examples[part] = []

    def bad(self, part: str, kind: str, where: str, message: str) -> None:
        """Report one bad row.

        :param part: ``corpus``, ``queries`` or ``qrels/<split>``.
        :param kind: Short name to count under, such as ``empty text``.
        :param where: File and line.
        :param message: What was expected and what came.
        :raises DatasetError: If bad rows are errors.
        """
        if self.on_bad_row == "error":
            msg = f"{where}: {message} (on_bad_row: skip leaves such rows out and counts them)"
            raise DatasetError(msg)
        self._counts.setdefault(part, Counter())[kind] += 1
        examples = self.examples.setdefault(part, [])
        if len(examples) < _SHOWN:
            examples.append(f"{where}: {message}")

    def too_long(self, part: str, where: str, size: int) -> None:
        """Report a row with more bytes than allowed, see :meth:`bad`."""
        message = f"the row has {size:,} bytes, more than max_row_bytes = {self.max_row_bytes:,}"
        self.bad(part, "too long", where, message)

    def recall(self, part: str, counts: Mapping[str, int], examples: Sequence[str]) -> None:
        """Take over what an earlier reading of the same rows found."""
        self._counts[part], self.examples[part] = Counter(counts), list(examples)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return part → kind → number of rows left out, without empty parts."""
        return {part: dict(sorted(counter.items())) for part, counter in sorted(self._counts.items()) if counter}
