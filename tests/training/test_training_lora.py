from __future__ import annotations

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tiny_trainings import TEXTS, train_tiny

from hardneg_plugin.errors import ParameterError, TrainingError
from hardneg_plugin.training import load_base_model
from hardneg_plugin.training.base_model import auto_learning_rate
from hardneg_plugin.training.lora import LoraAdapters, check_lora

LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}


@pytest.fixture
def _no_peft(monkeypatch):
    # What importing a package that is not installed raises.
    monkeypatch.setitem(sys.modules, "peft", None)

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)


@pytest.mark.usefixtures("_no_peft")
def test_without_peft_the_message_names_the_extra(tiny_bert_folder, tmp_path):
    with pytest.raises(TrainingError, match=r"lora needs the package peft, .* pip install 'hardneg\[peft\]'"):
        train_tiny(tmp_path / "out", tiny_bert_folder, lora={})
    assert not (tmp_path / "out").exists()


@pytest.fixture
def peft():
    return pytest.importorskip("peft", reason="the extra peft is not installed")


def load(result) -> SentenceTransformer:
    return SentenceTransformer(str(result.model_path), device="cpu")


@pytest.mark.usefixtures("peft")
class TestLora:
    @pytest.mark.integration
    def test_the_saved_model_needs_no_peft(self, tiny_bert_folder, tmp_path):
        result = train_tiny(tmp_path, tiny_bert_folder, lora=LORA)
        assert not list(result.model_path.rglob("*adapter*"))
        plain = load_file(tiny_bert_folder / "model.safetensors")
        merged = load_file(result.model_path / "model.safetensors")
        assert merged.keys() == plain.keys()
        changed = {name for name in plain if not torch.equal(plain[name], merged[name])}
        parts = ("query", "value")
        assert changed == {f"encoder.layer.{i}.attention.self.{part}.weight" for i in (0, 1) for part in parts}
        np.save(tmp_path / "expected.npy", load(result).encode(TEXTS))
        code = (
            "import sys; sys.modules['peft'] = None\n"
            "import numpy as np; from sentence_transformers import SentenceTransformer\n"
            f"vectors = SentenceTransformer({str(result.model_path)!r}, device='cpu').encode({TEXTS!r})\n"
            f"assert np.array_equal(vectors, np.load({str(tmp_path / 'expected.npy')!r}))"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_merged_weights_give_the_vectors_of_the_adapters(self, tiny_bert):
        adapters = LoraAdapters(tiny_bert.eval(), LORA)
        with torch.no_grad():
            for name, weights in tiny_bert.named_parameters():
                if "lora_B" in name:
                    weights.fill_(0.1)
        before = tiny_bert.encode(TEXTS)
        adapters.merge()
        assert np.allclose(tiny_bert.encode(TEXTS), before, atol=1e-5)
        assert not any("lora" in name for name, _ in tiny_bert.named_parameters())

    def test_the_record_and_the_card_tell_of_it(self, tiny_bert_folder, tmp_path):
        result = train_tiny(tmp_path, tiny_bert_folder, lora=LORA, learning_rate="auto", max_steps=1)
        assert result.learning_rate == 2e-4
        assert json.loads((tmp_path / "training.json").read_text())["settings"]["lora"] == LORA
        assert f"| low-rank adapters (merged) | `{json.dumps(LORA)}` |" in (result.model_path / "README.md").read_text()
        with pytest.raises(TrainingError, match="holds another training"):
            train_tiny(tmp_path, tiny_bert_folder, lora={**LORA, "r": 2}, learning_rate="auto", max_steps=1)

    def test_both_encoders_are_adapted(self, tiny_bert_folder, tmp_path):
        model = load(train_tiny(tmp_path, tiny_bert_folder, lora={}, encoders="separate"))
        before = SentenceTransformer(str(tiny_bert_folder), device="cpu").encode(TEXTS)
        queries, passages = model.encode_query(TEXTS), model.encode_document(TEXTS)
        assert not np.allclose(queries, before, atol=1e-4)
        assert not np.allclose(passages, before, atol=1e-4)
        assert not np.allclose(queries, passages, atol=1e-4)

    @pytest.mark.integration
    def test_a_killed_training_goes_on_to_the_same_weights(self, tiny_bert_folder, tmp_path):
        def kill(done: int, total: int) -> None:
            if done == 5:
                raise InterruptedError

        settings = {"lora": {**LORA, "lora_dropout": 0.1}, "save_steps": 2}
        whole = train_tiny(tmp_path / "whole", tiny_bert_folder, **settings)
        with pytest.raises(InterruptedError):
            train_tiny(tmp_path / "killed", tiny_bert_folder, **settings, progress=kill)
        checkpoint = tmp_path / "killed" / "checkpoints" / "checkpoint-4"
        assert sum(weights.numel() for weights in load_file(checkpoint / "adapters.safetensors").values()) == 512
        assert not (checkpoint / "model.safetensors").exists()
        seen = []
        resumed = train_tiny(
            tmp_path / "killed", tiny_bert_folder, **settings, progress=lambda done, total: seen.append(done)
        )
        assert seen == [5, 6]
        assert np.array_equal(load(whole).encode(TEXTS), load(resumed).encode(TEXTS))

    @pytest.mark.integration
    def test_the_cached_loss_trains_adapters(self, tiny_bert_folder, tmp_path):
        loss = {"loss": "cached_multiple_negatives_ranking", "loss_args": {"mini_batch_size": 2}}
        result = train_tiny(tmp_path, tiny_bert_folder, lora=LORA, max_steps=2, warmup=0, **loss)
        before = SentenceTransformer(str(tiny_bert_folder), device="cpu").encode(TEXTS)
        assert not np.allclose(load(result).encode(TEXTS), before, atol=1e-4)

    def test_the_libraries_say_nothing(self, tiny_bert_folder, tmp_path, capfd, recwarn):
        train_tiny(tmp_path, tiny_bert_folder, lora=LORA, max_steps=1)
        assert capfd.readouterr() == ("", "")
        assert not recwarn.list

    def test_adapters_of_another_model(self, tiny_bert, tiny_bert_folder, tmp_path):
        LoraAdapters(tiny_bert, LORA).save(tmp_path)
        other = LoraAdapters(load_base_model(str(tiny_bert_folder)), {**LORA, "target_modules": ["key"]})
        with pytest.raises(TrainingError, match="holds other adapters than those trained here"):
            other.load(tmp_path)

    def test_a_static_model_has_nothing_to_adapt(self, tmp_path):
        with pytest.raises(TrainingError, match="lora adapts the matrices of a transformer"):
            train_tiny(tmp_path, "static", lora={})

    @pytest.mark.parametrize(
        ("lora", "message"),
        [({"target_modules": ["q_proj"]}, "lora: Target modules"), ({"r": 0}, "lora: .*positive integer")],
    )
    def test_arguments_that_do_not_fit_the_model(self, tiny_bert, lora, message):
        with pytest.raises(ParameterError, match=message):
            LoraAdapters(tiny_bert, lora)

    @pytest.mark.parametrize(
        ("lora", "message"),
        [
            (
                {"lora_alfa": 8},
                "LoraConfig has no argument 'lora_alfa' that could be set here; did you mean lora_alpha",
            ),
            ({"inference_mode": True}, "no argument 'inference_mode'"),
            ({"lora_dropout": 0.1, "r": 8.5, "layers_pattern": "x"}, "lora: "),
            ({"target_modules": {"query"}}, "plain values"),
        ],
    )
    def test_arguments_that_cannot_work(self, lora, message):
        with pytest.raises(ParameterError, match=message):
            check_lora(lora)

    def test_adapters_have_a_learning_rate_of_their_own(self, tiny_bert):
        assert auto_learning_rate("some/bert", tiny_bert, lora=True) == 2e-4
