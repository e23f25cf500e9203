"""The files of a report: ``results.json``, ``per_query.parquet`` and ``report.md``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hardneg_plugin.checksums import sealed, unsealed
from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.files import atomic_path, write_atomically
from hardneg_plugin.report.data import ReportData
from hardneg_plugin.report.markdown import render_markdown
from hardneg_plugin.report.per_query import QueryValues, per_query_table


def write_results(data: ReportData, folder: Path, per_query: Iterable[QueryValues] = ()) -> None:
    """Write a report; every file appears whole or not at all, ``results.json`` last.

    :param data: The report.
    :param folder: An existing folder; files of an earlier report in it are replaced.
    :param per_query: Values per query of every system, seed and split, in any order.
    :raises EvaluationError: For a value that JSON cannot hold (NaN, infinite), or values per query that repeat.
    """
    import pyarrow.parquet as pq

    try:
        text = json.dumps(sealed(data.to_dict()), indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"the report of {data.recipe!r} cannot be written as JSON: {error}"
        raise EvaluationError(msg) from error
    with atomic_path(folder / "per_query.parquet") as staged:
        pq.write_table(per_query_table(per_query), staged)
    write_atomically(folder / "report.md", render_markdown(data))
    write_atomically(folder / "results.json", text + "\n")


def read_results(path: Path) -> ReportData:
    """Read a report back.

    :param path: A ``results.json``.
    :returns: A report equal to the one that was written.
    :raises EvaluationError: When the file is missing, is no JSON, or holds something else.
    """
    try:
        loaded: Any = unsealed(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        msg = f"{path} does not exist"
        raise EvaluationError(msg) from error
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} is no JSON, or damaged: {error}; hardneg run writes it again"
        raise EvaluationError(msg) from error
    try:
        return ReportData.from_dict(loaded)
    except EvaluationError as error:
        msg = f"{path}: {error}"
        raise EvaluationError(msg) from error
