"""The negatives of a finished run as training rows, with all that the run knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hardneg_plugin.components.passages import passage_texts
from hardneg_plugin.datasets.training_rows import TrainingRows, training_schema
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.evaluation.audit.table import Ints, Provenance
from hardneg_plugin.recipe.load import resolved_recipe
from hardneg_plugin.recipe.mining import StoredShards
from hardneg_plugin.recipe.workspace import MARKER, Workspace
from hardneg_plugin.recipe.yaml_text import parse_yaml
from hardneg_plugin.records import Candidate, CandidateTable, MiningExample, table_of
from hardneg_plugin.records.coded import Coded

RUN_FORMAT = "hardneg run"


def is_run(source: str) -> bool:
    """Tell whether a source is a run folder."""
    return (Path(source) / MARKER).is_file()


def run_rows(folder: str, system: str | None = None) -> tuple[TrainingRows, Provenance]:
    """Return what a system of a run was trained on: a row per query, its kept negatives, best rank first.

    :param folder: The run folder.
    :param system: Name of the system; None takes the only one with stages. Of several seeds the first is read.
    :returns: The rows, numbered as the examples of the run, and what the run knows of their negatives.
    :raises WorkspaceError: If there is no such system, it has no stages, or it was not mined to its end.
    :raises CacheError: If the cache no longer has the corpus that was mined.
    """
    import pyarrow as pa

    name, shards = _shards(folder, system)
    parts = [_rows_of(shard) for shard in shards]
    tables, provenances, start = [], [], 1
    for table, provenance in parts:
        numbers = pa.array(np.arange(start, start + len(table)), pa.int64())
        tables.append(table.set_column(0, training_schema().field("number"), numbers))
        provenances.append(provenance)
        start += len(table)
    where = f"{folder} ({name})"
    return TrainingRows(pa.concat_tables(tables), RUN_FORMAT, where), _together(provenances, tables)


def find_example(folder: str, query: str, system: str | None = None) -> MiningExample:
    """Return one example of a run with all its candidates, dropped ones included.

    :param folder: The run folder.
    :param query: Id of the query.
    :param system: As in :func:`run_rows`.
    :raises WorkspaceError: If the system has no such query.
    """
    name, shards = _shards(folder, system)
    for shard in shards:
        for example in shard:
            if example.id == query:
                return example
    msg = f"{folder}: system {name!r} has no query {query!r}"
    raise WorkspaceError(msg)


def _shards(folder: str, system: str | None) -> tuple[str, StoredShards]:
    workspace = Workspace(Path(folder))
    raw: Any = parse_yaml(workspace.recipe_file.read_text("utf-8"), str(workspace.recipe_file))
    place = str(workspace.recipe_file)
    recipe = resolved_recipe(raw, (), place=place, folder=workspace.folder, source=None)
    mined = [name for name, stages in recipe.systems.items() if stages]
    if system is None and len(mined) == 1:
        system = mined[0]
    if system not in mined:
        msg = f"{folder}: --system must be one of the systems that mine ({', '.join(mined) or 'none'}), got {system!r}"
        raise WorkspaceError(msg)
    stage = workspace.mined(system, recipe.seeds[0])
    if stage is None or not stage.done(stage.parts):
        msg = f"{folder}: the stages of system {system!r} are not finished; run its recipe to the end"
        raise WorkspaceError(msg)
    return system, StoredShards(stage, stage.parts)


def _rows_of(shard: Sequence[MiningExample]) -> tuple[Any, Provenance]:
    import pyarrow as pa

    table = table_of(shard)
    rows, offsets = table.kept_by_rank()
    positives = [[document.content or "" for document in example.positives] for example in shard]
    scorer = next((name for name in table.positive_scores if not name.startswith("false_negative:")), None)
    scored = scorer is not None and scorer in table.scores
    found = {name: ranks[rows].astype(np.int64) for name, ranks in table.ranks.items()}
    lists: dict[str, Any] = {
        "negatives": passage_texts(table, table.passages[rows]),
        "negative_ids": _ids(table, table.passages[rows]),
        "negative_scores": _with_null(table.scores[scorer][rows]) if scored and scorer else None,
        "sources": list(_sources(found, len(rows))),
        "ranks": table.best_rank()[rows],
    }
    columns: dict[str, Any] = {
        "number": np.arange(len(shard)),
        "query": [example.query for example in shard],
        "query_id": [example.id for example in shard],
        "language": [example.language or None for example in shard],
        "positives": positives,
        "positive_ids": [[document.id for document in example.positives] for example in shard],
        "positive_scores": _per_example(table, scorer) if scored and scorer else None,
    }
    arrays = []
    for item in training_schema():
        if lists.get(item.name) is not None:
            values = pa.array(lists[item.name], item.type.value_type)
            arrays.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values).cast(item.type))
        elif columns.get(item.name) is not None:
            arrays.append(pa.array(columns[item.name], item.type))
        else:
            arrays.append(pa.nulls(len(shard), item.type))
    answers = tuple(example.answers for example in shard)
    provenance = Provenance(found, table.label.take(rows), answers)
    return pa.Table.from_arrays(arrays, schema=training_schema()), provenance


def _with_null(scores: Any) -> list[float | None]:
    return [None if np.isnan(score) else float(score) for score in scores]


def _per_example(table: CandidateTable, scorer: str) -> list[list[float | None]]:
    values, bounds = table.positive_scores[scorer], table.positive_offsets.tolist()
    return [_with_null(values[first:last]) for first, last in pairwise(bounds)]


def _ids(table: CandidateTable, passages: Ints) -> list[str]:
    in_corpus = passages >= 0
    ids = np.empty(len(passages), dtype=object)
    if table.corpus is not None:
        ids[in_corpus] = table.corpus.ids(passages[in_corpus])
    ids[~in_corpus] = [table.own[-1 - int(passage)].id for passage in passages[~in_corpus]]
    listed: list[str] = ids.tolist()
    return listed


def _sources(found: dict[str, Ints], count: int) -> Iterator[str]:
    names = np.array(list(found))
    there = np.stack([ranks != 0 for ranks in found.values()], axis=1) if found else np.zeros((count, 0), dtype=bool)
    return (" + ".join(names[own].tolist()) for own in there)


def _together(parts: Sequence[Provenance], tables: Sequence[Any]) -> Provenance:
    """Put the provenance of consecutive shards together; a source that one lacks found nothing there."""
    sizes = [sum(map(len, table.column("negatives").to_pylist())) for table in tables]
    names = dict.fromkeys(name for part in parts for name in part.found)
    found = {
        name: np.concatenate(
            [part.found.get(name, np.zeros(size, dtype=np.int64)) for part, size in zip(parts, sizes, strict=True)]
        )
        for name in names
    }
    verdicts = Coded.concat([part.verdicts for part in parts if part.verdicts is not None])
    return Provenance(found, verdicts, tuple(answers for part in parts for answers in part.answers))


def candidate_lines(example: MiningExample) -> Iterator[tuple[str, ...]]:
    """Yield a line per candidate: sources with ranks, scores, verdict, what became of it, its text.

    :param example: An example with its candidates.
    """
    for candidate in sorted(example.candidates, key=_order):
        sources = ", ".join(f"{name} rank {found.rank}" for name, found in candidate.sources.items())
        own = {name: found.score for name, found in candidate.sources.items() if found.score is not None}
        scores = ", ".join(f"{name} {score:.4g}" for name, score in {**own, **candidate.scores}.items())
        verdict = candidate.verdict
        label = "" if verdict is None else verdict.label + ("" if verdict.score is None else f" ({verdict.score:g})")
        yield candidate.id, sources, scores, label, candidate.dropped or "kept", candidate.text


def _order(candidate: Candidate) -> tuple[bool, int]:
    ranks = [found.rank for found in candidate.sources.values()]
    return bool(candidate.dropped), min(ranks, default=0)
