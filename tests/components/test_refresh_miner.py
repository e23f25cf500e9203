"""A model of five words in two dimensions, so that what is nearest can be read off its table."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from hand_made import corpus_of

from hardneg_plugin import MiningExample, SentenceTransformersTrainer
from hardneg_plugin.components.refresh_miner import RefreshMiner, RefreshOptions
from hardneg_plugin.errors import ParameterError

PASSAGES = {"1": "answer", "2": "near", "3": "far", "4": "Answer!", "5": "query"}
FIRST = {"query": (1, 0), "answer": (1, 0.1), "near": (1, 0.3), "far": (0.1, 1)}
# After training "near" and "far" have changed places.
SECOND = FIRST | {"near": (0.1, 1), "far": (1, 0.3)}
WORDS = list(FIRST)


def model_of(vectors: dict[str, tuple[float, float]]):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="query"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation("removed"), pre_tokenizers.Whitespace()]
    )
    table = np.array([vectors[word] for word in WORDS], np.float32)
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")


def learn(model, vectors: dict[str, tuple[float, float]]) -> None:
    with torch.no_grad():
        model[0].embedding.weight.copy_(torch.tensor([vectors[word] for word in WORDS]))


def miner(mode: str = "full", examples=(), **options) -> RefreshMiner:
    triplets = datasets.Dataset.from_dict({"anchor": ["query"], "positive": ["answer"], "negative": ["near"]})
    chosen = RefreshOptions(mode=mode, num_negatives=1, **options)
    return RefreshMiner(corpus_of(PASSAGES), triplets, chosen, examples)


def two_rounds(chosen: RefreshMiner) -> list[list[str]]:
    model = model_of(FIRST)
    chosen.begin(model)
    first = chosen.mine(model, None)
    learn(model, SECOND)
    second = chosen.mine(model, first)
    return [chosen.texts(one.rows[0]) for one in (first, second)]


def test_the_second_round_mines_with_the_new_weights():
    assert two_rounds(miner()) == [["near"], ["far"]]


def test_stale_vectors_would_be_seen(monkeypatch):
    """The same two rounds with the first round's vectors, as a cache would give them: the second finds the old."""
    kept = {}
    encode = RefreshMiner._encode
    monkeypatch.setattr(RefreshMiner, "_encode", lambda self, model: kept.setdefault("vectors", encode(self, model)))
    assert two_rounds(miner()) == [["near"], ["near"]]


def test_query_side_keeps_the_passages_of_the_start():
    assert two_rounds(miner("query_side")) == [["near"], ["near"]]


def test_query_side_encodes_the_queries_anew():
    chosen, model = miner("query_side"), model_of(FIRST)
    chosen.begin(model)
    learn(model, FIRST | {"query": (0, 1)})
    assert chosen.texts(chosen.mine(model, None).rows[0]) == ["far"]


def test_neither_a_positive_nor_its_copy_nor_the_query_becomes_a_negative():
    """Four passages are nearer to the query than "far"; "near" is judged relevant, the others are known by text."""
    judged = MiningExample(id="q", query="query", positives=(), meta={"judged_relevant": ["2"]})
    chosen = miner(examples=[judged])
    mined = chosen.mine(model_of(FIRST), None)
    assert chosen.texts(mined.rows[0]) == ["far"]
    assert mined.facts["known_positives"] == 1.0


def test_how_the_hard_set_moved():
    chosen, model = miner(), model_of(FIRST)
    first = chosen.mine(model, None)
    assert (first.facts["changed"], first.facts["jaccard"], first.facts["rank_before"]) == (0.0, 1.0, None)
    learn(model, SECOND)
    facts = chosen.mine(model, first).facts
    # "far" was the last of five, two of which are one text; its cosine is now that of "near" before.
    assert (facts["changed"], facts["jaccard"], facts["rank_before"], facts["not_found_before"]) == (1.0, 0.0, 4.0, 0.0)
    positive, near, far = (float(np.dot(v, (1, 0)) / np.linalg.norm(v)) for v in ((1, 0.1), (0.1, 1), (1, 0.3)))
    assert facts["score_gap_before"] == pytest.approx(positive - near, abs=1e-4)
    assert facts["score_gap"] == pytest.approx(positive - far, abs=1e-4)


def test_a_margin_leaves_none():
    mined = miner(relative_margin=0.95).mine(model_of(FIRST | {"far": (1, 0.2)}), None)
    assert mined.rows.shape == (1, 0)
    assert mined.facts["without_negatives"] == 1


@pytest.mark.parametrize(
    ("refresh", "message"),
    [
        ({"every_steps": 5, "every": 3}, "no key 'every'"),
        ({}, "give one of every_steps and every_epochs"),
        ({"every_steps": 0}, "every_steps must be a whole number above 0"),
        ({"every_epochs": 1, "mode": "half"}, "mode must be one of full, query_side"),
        ({"every_epochs": 1, "top_k": 0}, "top_k must be a whole number of at least 1"),
        ({"every_epochs": 1}, "give corpus"),
    ],
)
def test_a_refresh_that_cannot_work(refresh, message):
    with pytest.raises(ParameterError, match=message):
        SentenceTransformersTrainer(output_dir="m", base_model="a/model", refresh=refresh)
