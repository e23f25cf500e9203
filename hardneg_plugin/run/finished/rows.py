"""Training rows of a finished run, with all that its stages know of each negative."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hardneg_plugin.datasets.formats import read_training_rows
from hardneg_plugin.datasets.problems import BadRows
from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.mining.passages import passage_texts
from hardneg_plugin.recipe.layout import run_of
from hardneg_plugin.records import Candidate, CandidateTable, MiningExample, read_parquet, table_of
from hardneg_plugin.run.workspace import Workspace

RUN = "run"


def read_rows(
    source: str,
    format: str | None = None,  # noqa: A002
    on_bad_row: BadRows = "error",
    *,
    split: str = "train",
    group: bool = False,
    scorer: str | None = None,
) -> TrainingRows:
    """Read training rows of a run folder, or of anybody's file.

    :param source: ``runs/NAME`` (of one system and seed), ``runs/NAME/systems/SYSTEM/seed-N``, or what
        :func:`~hardneg_plugin.datasets.formats.read_training_rows` takes, as do the arguments behind it.
    :param scorer: Whose scores a run's rows carry; None takes those of the only scorer there is.
    :raises HardnegError: If it cannot be read.
    """
    found = _training_of(Path(source))
    if found is None:
        return read_training_rows(source, format, on_bad_row, split=split, group=group)
    if format is not None:
        msg = f"{source} is a run folder, whose rows have no other format; leave --from {format} out"
        raise WorkspaceError(msg)
    return run_rows(found[0], *found[1], scorer=scorer)


def run_rows(folder: Path, system: str, seed: int, *, scorer: str | None = None) -> TrainingRows:
    """Return what a system trained on: a row per example, its kept candidates best rank first.

    :param folder: The run folder.
    :param system: Name of the system.
    :param seed: Its seed.
    :param scorer: Whose scores the rows carry; None takes those of the only scorer there is.
    :raises WorkspaceError: If the system has no triplets, or no scores by this scorer.
    """
    import pyarrow as pa

    workspace = Workspace(folder)
    where = f"{folder}/systems/{system}/seed-{seed}"
    parts = workspace.mined(system, seed)
    if not parts:
        # No stage was run: the triplets are the pairs of the dataset.
        return read_training_rows(str(Path(where) / "triplets"), "n-tuple")
    tables, count = [], 0
    for part in parts:
        examples = read_parquet(part)
        rows = list(_rows(examples, count, where, scorer))
        tables.append(TrainingRows.of(rows, RUN, where).table)
        count += len(examples)
    return TrainingRows(pa.concat_tables(tables), RUN, where)


def _training_of(source: Path) -> tuple[Path, tuple[str, int]] | None:
    """Return the run folder, system and seed that a path names; None where it names no run."""
    found = run_of(source)
    if found is None:
        return None
    run, training = found
    if training is not None:
        return run, training
    trainings = Workspace(run).trainings()
    if len(trainings) != 1:
        known = ", ".join(f"{source}/systems/{name}/seed-{seed}" for name, seed in trainings) or "none"
        msg = f"{source}: a run of several systems or seeds, or of none yet; name one: {known}"
        raise WorkspaceError(msg)
    return run, trainings[0]


def _rows(examples: list[MiningExample], before: int, where: str, scorer: str | None) -> Iterator[TrainingRow]:
    table = table_of(examples)
    rows, offsets = table.kept_by_rank()
    texts = passage_texts(table, table.passages[rows])
    found_by, ranks = _best_sources(table)
    scores = _scorer(table, where, scorer)
    for index, example in enumerate(examples):
        part = slice(offsets[index], offsets[index + 1])
        chosen = rows[part]
        positions = slice(int(table.positive_offsets[index]), int(table.positive_offsets[index + 1]))
        yield TrainingRow(
            before + index + 1,
            example.query,
            tuple(document.content or "" for document in example.positives),
            tuple(texts[part]),
            query_id=example.id,
            positive_ids=tuple(document.id for document in example.positives),
            negative_ids=tuple(Candidate(table, int(row)).id for row in chosen),
            positive_scores=_numbers(table.positive_scores[scores][positions]) if scores else (),
            negative_scores=_numbers(table.scores[scores][chosen]) if scores else (),
            sources=tuple(found_by[row] for row in chosen),
            ranks=tuple(int(ranks[row]) for row in chosen),
            language=example.language,
        )


def _best_sources(table: CandidateTable) -> tuple[list[str], Any]:
    """Return for each candidate the source that ranked it best (the earlier of two), and that rank."""
    best = table.best_rank()
    names = np.zeros(len(best), dtype=object)
    names[:] = ""
    for name, ranks in reversed(list(table.ranks.items())):
        names[(ranks == best) & (ranks > 0)] = name
    return list(names), best


def _scorer(table: CandidateTable, where: str, wanted: str | None) -> str | None:
    known = [name for name in table.scores if name in table.positive_scores]
    if wanted is not None and wanted not in known:
        msg = f"{where}: no scores by {wanted!r} of candidates and positives; scorers: {', '.join(known) or 'none'}"
        raise WorkspaceError(msg)
    return wanted or (known[0] if len(known) == 1 else None)


def _numbers(values: Any) -> tuple[float, ...]:
    # A passage that was not scored leaves its row without scores: half of them cannot be trained on.
    return () if np.isnan(values).any() else tuple(float(value) for value in values)
