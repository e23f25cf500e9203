"""The values behind every mean, one row per system, seed, split, query and metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardneg_plugin.errors import EvaluationError

if TYPE_CHECKING:
    import pyarrow as pa

_ORDER = ("system", "seed", "split", "metric", "query_id")


@dataclass(frozen=True)
class QueryValues:
    """Values of one system and seed on one split.

    :param system: Name of the system.
    :param seed: Seed of its training; ``None`` for a system that is not trained.
    :param split: Name of the split.
    :param languages: Query id → language.
    :param values: Metric → query id → value.
    """

    system: str
    seed: int | None
    split: str
    languages: Mapping[str, str]
    values: Mapping[str, Mapping[str, float]]


def per_query_table(parts: Iterable[QueryValues]) -> pa.Table:
    """Collect values per query.

    :param parts: In any order.
    :returns: Columns ``system, seed, split, query_id, language, metric, value``, sorted by system, seed (those without
        one last), split, metric and query, so that equal results give an equal file.
    :raises EvaluationError: When a system, seed and split occurs twice, or the language of a query is missing.
    """
    import pyarrow as pa

    schema = pa.schema(
        [
            ("system", pa.string()),
            ("seed", pa.int64()),
            ("split", pa.string()),
            ("query_id", pa.string()),
            ("language", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
        ]
    )
    seen: set[tuple[str, int | None, str]] = set()
    tables = [schema.empty_table()]
    for part in parts:
        key = (part.system, part.seed, part.split)
        if key in seen:
            msg = f"values per query of system {part.system!r}, seed {part.seed}, split {part.split!r} occur twice"
            raise EvaluationError(msg)
        seen.add(key)
        tables.extend(_metric_table(part, metric, schema) for metric in part.values)
    return pa.concat_tables(tables).sort_by([(column, "ascending") for column in _ORDER])


def _metric_table(part: QueryValues, metric: str, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    queries = part.values[metric]
    missing = [query for query in queries if query not in part.languages]
    if missing:
        msg = f"split {part.split!r}: no language is given for query {missing[0]!r}"
        raise EvaluationError(msg)
    count = len(queries)
    columns = [
        [part.system] * count,
        [part.seed] * count,
        [part.split] * count,
        list(queries),
        [part.languages[query] for query in queries],
        [metric] * count,
        list(queries.values()),
    ]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
