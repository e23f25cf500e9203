"""Examples as JSON lines with all texts: for people and for other tools."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hardneg_plugin.errors import RecordError
from hardneg_plugin.files import atomic_path
from hardneg_plugin.records.candidates import Candidate
from hardneg_plugin.records.example import MiningExample


def write_jsonl(path: str | Path, examples: Iterable[MiningExample]) -> None:
    """Write one example a line: everything :func:`read_jsonl` needs, and the texts of all candidates to read.

    :param path: File to write.
    :param examples: Read one at a time.
    """
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        for example in examples:
            readable = [_readable(candidate) for candidate in example.candidates]
            file.write(json.dumps({**example.to_dict(), "readable": readable}, ensure_ascii=False) + "\n")


def _readable(candidate: Candidate) -> dict[str, Any]:
    found = {name: {"rank": position.rank, "score": position.score} for name, position in candidate.sources.items()}
    verdict = candidate.verdict
    row: dict[str, Any] = {"id": candidate.id, "text": candidate.text, "sources": found}
    row["scores"] = dict(candidate.scores)
    if verdict:
        row["verdict"] = verdict._asdict()
    if candidate.dropped:
        row["dropped"] = candidate.dropped
    return row


def read_jsonl(path: str | Path) -> Iterator[MiningExample]:
    """Yield the examples of a file written by :func:`write_jsonl`.

    :param path: The file.
    :raises RecordError: If there is no such file, or with the number of the line that cannot be read.
    :raises CacheError: If the cache no longer has the corpus of the candidates.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed by the with statement below
    except OSError as error:
        msg = f"{path}: cannot be read: {error}"
        raise RecordError(msg) from error
    with file:
        for number, line in enumerate(file, start=1):
            try:
                example = MiningExample.from_dict(json.loads(line))
            except (ValueError, TypeError, AttributeError, RecordError) as error:
                msg = f"{path}:{number}: not a mining example: {error}"
                raise RecordError(msg) from error
            yield example
