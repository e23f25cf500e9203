"""Training rows of a finished run: what its stages know of each negative."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.records import read_parquet
from hardneg_plugin.run.finished.rows import read_rows
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

pytestmark = pytest.mark.integration

RECIPE = """
name: small
seed: 5
data: {dataset: "sample?passages=1000", shard_size: 60}
systems:
  bm25: [{bm25: {top_k: 10}}, {random: {top_k: 2}}, {known_positives: {}}, {sample: {num_negatives: 2}}]
  in-batch: []
"""


def test_rows_are_what_was_trained_on_with_where_it_came_from(tmp_path):
    from datasets import load_from_disk

    (tmp_path / "small.yaml").write_text(RECIPE, "utf-8")
    quiet = Progress(Console(file=io.StringIO()))
    run_recipe(load_recipe(str(tmp_path / "small.yaml")), tmp_path / "runs", progress=quiet)
    run = tmp_path / "runs" / "small"
    rows = list(read_rows(str(run / "systems" / "bm25" / "seed-5")))

    triplets = load_from_disk(str(run / "systems" / "bm25" / "seed-5" / "triplets"))
    trained = [(row["anchor"], row["positive"], row["negative_1"], row["negative_2"]) for row in triplets]
    assert [(row.query, *row.positives, *row.negatives) for row in rows] == trained
    assert [row.number for row in rows] == list(range(1, len(trained) + 1))

    (stage,) = run.glob("stages/sample-*")
    first = read_parquet(stage / "part-00000.parquet")[0]
    kept = {found.id: found for found in first.candidates if not found.dropped}
    assert (rows[0].query_id, rows[0].language) == (first.id, first.language)
    assert set(rows[0].negative_ids) == set(kept)
    for name, source, rank in zip(rows[0].negative_ids, rows[0].sources, rows[0].ranks, strict=True):
        assert kept[name].sources[source].rank == rank
        assert rank == min(found.rank for found in kept[name].sources.values())

    plain = list(read_rows(str(run / "systems" / "in-batch" / "seed-5")))
    assert [(row.query, row.positives, row.negatives) for row in plain] == [
        (row.query, row.positives, ()) for row in rows
    ]
    with pytest.raises(WorkspaceError, match=r"name one: .*systems/bm25/seed-5, .*systems/in-batch/seed-5"):
        read_rows(str(run))
    with pytest.raises(WorkspaceError, match="no scores by 'dense' of candidates and positives; scorers: none"):
        read_rows(str(run / "systems" / "bm25" / "seed-5"), scorer="dense")
    with pytest.raises(WorkspaceError, match="bm25/seed-6 is not mined to its end; those that are: bm25/seed-5"):
        read_rows(str(run / "systems" / "bm25" / "seed-6"))
    with pytest.raises(WorkspaceError, match="leave --from triplet out"):
        read_rows(str(run / "systems" / "bm25" / "seed-5"), "triplet")
