"""A recipe as a Haystack pipeline, loaded where only ``hardneg_plugin`` was imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hardneg_plugin.errors import RecipeError
from hardneg_plugin.recipe.export import export_pipeline
from hardneg_plugin.recipe.load import load_recipe

LOAD_AND_RUN = """
import sys
import hardneg_plugin
from haystack import Pipeline

text = sys.stdin.read()
pipeline = Pipeline.loads(text)
assert pipeline.dumps() == text
dataset = hardneg_plugin.load_dataset(sys.argv[1])
examples = hardneg_plugin.ExampleShards(dataset, "train")[0]
triplets = pipeline.run({"bm25": {"examples": examples}})["triplets"]["triplets"]
print(triplets.num_rows, triplets.column_names)
"""


@pytest.mark.integration
def test_phase1_loads_and_runs_in_a_fresh_process(tiny_beir, cache_folder):
    text = export_pipeline(load_recipe("phase1_bm25", [f"data.dataset=beir:{tiny_beir}", "systems.bm25.bm25.top_k=5"]))
    allowed = ("HAYSTACK_DESERIALIZATION_ALLOWLIST", "HAYSTACK_UNSAFE_DESERIALIZATION")
    environment = {name: value for name, value in os.environ.items() if name not in allowed}
    ran = subprocess.run(
        [sys.executable, "-c", LOAD_AND_RUN, f"beir:{tiny_beir}"],
        input=text, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "3 ['anchor', 'positive', 'negative_1']\n"


def test_which_system_must_be_said_where_several_have_stages():
    recipe = load_recipe("quickstart")
    with pytest.raises(RecipeError, match="6 systems have stages; choose one with --system: in-batch, random, bm25"):
        export_pipeline(recipe)
    with pytest.raises(RecipeError, match="no system 'dens'"):
        export_pipeline(recipe, "dens")
    assert "RandomNegativeMiner" in export_pipeline(recipe, "random")
    assert "Miner" not in export_pipeline(recipe, "in-batch")


def test_what_the_engine_fills_in_is_written_out():
    text = export_pipeline(load_recipe("quickstart", ["seed=77", "data.language=sw"]), "random")
    assert "corpus: sample?default_language=sw" in text
    assert "seed: 77" in text
