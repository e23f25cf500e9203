"""A finished run to audit: the rows that a system trained on, and all that the run knows of their negatives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hardneg_plugin.datasets.training_rows import TrainingRows
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.evaluation.audit.table import Ints, Provenance
from hardneg_plugin.recipe.layout import run_of
from hardneg_plugin.records import Candidate, MiningExample, read_parquet, table_of
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.run.finished.rows import run_rows
from hardneg_plugin.run.workspace import Workspace


def is_run(source: str) -> bool:
    """Tell whether a source is a run folder, or the folder of a system's seed in one."""
    return run_of(Path(source)) is not None


def audited_run(source: str, system: str | None = None) -> tuple[TrainingRows, Provenance]:
    """Return what a system of a run was trained on: a row per query, its kept negatives, best rank first.

    :param source: ``runs/NAME`` or ``runs/NAME/systems/SYSTEM/seed-N``.
    :param system: Name of the system; None takes the only one with stages. Of several seeds the first is read.
    :returns: The rows, numbered as the examples of the run, and what the run knows of their negatives.
    :raises WorkspaceError: If there is no such system, it has no stages, or it was not mined to its end.
    :raises CacheError: If the cache no longer has the corpus that was mined.
    """
    workspace, name, seed = _place(source, system)
    return run_rows(workspace.folder, name, seed), _provenance(workspace.mined(name, seed))


def find_example(source: str, query: str, system: str | None = None) -> MiningExample:
    """Return one example of a run with all its candidates, dropped ones included.

    :param source: As in :func:`audited_run`.
    :param query: Id of the query.
    :param system: As in :func:`audited_run`.
    :raises WorkspaceError: If the system has no such query.
    """
    workspace, name, seed = _place(source, system)
    for part in workspace.mined(name, seed):
        for example in read_parquet(part):
            if example.id == query:
                return example
    msg = f"{source}: system {name!r} has no query {query!r}"
    raise WorkspaceError(msg)


def _place(source: str, system: str | None) -> tuple[Workspace, str, int]:
    """Return the run, and the system and seed that are meant: one that mines."""
    found = run_of(Path(source))
    if found is None:
        msg = f"{source} is no run folder"
        raise WorkspaceError(msg)
    folder, training = found
    workspace = Workspace(folder)
    mined = {(name, seed): bool(workspace.mined(name, seed)) for name, seed in workspace.trainings()}
    names = sorted({name for (name, _), stages in mined.items() if stages})
    if training is not None:
        system, seeds = training[0], [training[1]]
    else:
        system = names[0] if system is None and len(names) == 1 else system
        seeds = sorted(seed for name, seed in mined if name == system)
    if system not in names or not seeds or not mined.get((system, seeds[0])):
        known = ", ".join(names) or "none"
        msg = f"{source}: --system must be one of the systems that mine ({known}), got {system!r}"
        raise WorkspaceError(msg)
    return workspace, system, seeds[0]


def _provenance(parts: list[Path]) -> Provenance:
    """Return what is known of the kept candidates of some parts, in the order of their rows."""
    found: dict[str, list[Ints]] = {}
    sizes: list[int] = []
    verdicts: list[DictionaryColumn] = []
    answers: list[tuple[str, ...]] = []
    for part in parts:
        examples = read_parquet(part)
        table = table_of(examples)
        rows, _ = table.kept_by_rank()
        for name in table.ranks.keys() - found.keys():
            found[name] = [np.zeros(size, dtype=np.int64) for size in sizes]
        absent = np.zeros(len(rows), dtype=np.int64)
        for name, columns in found.items():
            columns.append(table.ranks[name][rows].astype(np.int64) if name in table.ranks else absent)
        sizes.append(len(rows))
        verdicts.append(table.label.take(rows))
        answers += [example.answers for example in examples]
    ranks = {name: np.concatenate(columns) for name, columns in sorted(found.items())}
    return Provenance(ranks, DictionaryColumn.concat(verdicts), tuple(answers))


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
