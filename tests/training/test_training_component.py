"""What the component of a pipeline passes on to the training."""

from __future__ import annotations

import json

import pytest
from sentence_transformers import SentenceTransformer
from tiny_trainings import coloured_things

from hardneg_plugin import SentenceTransformersTrainer
from hardneg_plugin.errors import ModelError, ParameterError
from hardneg_plugin.training.encoders import has_separate_encoders


def trainer(folder, base_model, **settings) -> SentenceTransformersTrainer:
    return SentenceTransformersTrainer(str(folder), str(base_model), max_steps=1, progress="none", **settings)


def test_encoders_prompts_and_scores_reach_the_training(tiny_bert_folder, tmp_path):
    prompts = {"query": "tea ", "passage": "wine "}
    component = trainer(tmp_path, tiny_bert_folder, loss="margin_mse", encoders="separate", prompts=prompts)
    assert has_separate_encoders(component.untrained())
    assert component.untrained().prompts == {"query": "tea ", "document": "wine "}
    model = SentenceTransformer(component.run(triplets=coloured_things())["model"], device="cpu")
    assert has_separate_encoders(model)
    assert (model.prompts, model.similarity_fn_name) == ({"query": "tea ", "document": "wine "}, "dot")


def test_adapters_reach_the_training(tiny_bert_folder, tmp_path):
    pytest.importorskip("peft", reason="the extra peft is not installed")
    trainer(tmp_path, tiny_bert_folder, lora={"r": 2}).run(triplets=coloured_things())
    assert json.loads((tmp_path / "training.json").read_text())["settings"]["lora"] == {"r": 2}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"prompts": {"document": "x"}}, ParameterError, "prompts must map query, passage or both"),
        ({"loss": "gist"}, ParameterError, "loss_args: guide must be"),
        (
            {"loss": "gist", "loss_args": {"guide": "./not/there"}},
            ModelError,
            "loss_args: guide: there is no folder",
        ),
    ],
)
def test_a_pipeline_hears_of_mistakes_before_it_mines(tmp_path, settings, error, message):
    component = trainer(tmp_path, "a/model", **settings)
    with pytest.raises(error, match=message):
        component.warm_up()
