"""Which candidates of a run are drawn from for labelling."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hardneg_plugin.errors import WorkspaceError
from hardneg_plugin.recipe.load import load_recipe
from hardneg_plugin.run.finished.calibration import candidates_of
from hardneg_plugin.run.progress import Progress
from hardneg_plugin.run.runner import run_recipe

pytestmark = pytest.mark.integration

RECIPE = """
name: two
seed: 5
data: {dataset: "sample?passages=1000", limit: 20}
systems:
  in-batch: []
  deep: [{bm25: {top_k: 12}}, {known_positives: {}}, {sample: {num_negatives: 2}}]
  flat: [{bm25: {top_k: 5}}, {known_positives: {}}, {sample: {num_negatives: 2}}]
"""


@pytest.fixture
def run(tmp_path):
    recipe = tmp_path / "two.yaml"
    recipe.write_text(RECIPE)
    run_recipe(load_recipe(str(recipe)), tmp_path / "runs", progress=Progress(Console(file=io.StringIO())))
    return tmp_path / "runs" / "two"


def test_each_system_has_its_own_last_stage_before_the_choice(run):
    """Both systems have a stage of that name, and the sampler's choice is not made yet."""
    for system, depth in ((None, 12), ("deep", 12), ("flat", 5)):
        examples = candidates_of(run, system=system)
        assert {len(example.candidates) for example in examples} == {depth}
        reasons = {candidate.dropped for example in examples for candidate in example.candidates}
        assert "positive: id" in reasons
        assert "not sampled" not in reasons


def test_what_cannot_be_told_is_asked(run):
    with pytest.raises(WorkspaceError, match="2 stages are called 'known_positives'; name one with --stage"):
        candidates_of(run, stage="known_positives")
    with pytest.raises(WorkspaceError, match="no system 'in-batch' that mines; those that do: deep, flat"):
        candidates_of(run, system="in-batch")
