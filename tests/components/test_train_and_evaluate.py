"""The ends of a pipeline: training on triplets, and measuring what came out; with static models, in seconds."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from haystack import Document, Pipeline
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import (
    BM25NegativeMiner,
    KnownPositiveFilter,
    NegativeSampler,
    RandomNegativeMiner,
    RetrievalEvaluator,
    SentenceTransformersTrainer,
    TripletBuilder,
)
from hardneg_plugin.datasets.examples import ExampleShards
from hardneg_plugin.datasets.spec import load_dataset
from hardneg_plugin.errors import EvaluationError, ModelError, RecordError

pytestmark = pytest.mark.integration

TINY = {"base_model": "static", "static_dims": 16, "vocabulary": 300, "batch_size": 2, "progress": "none"}
COLOURS = ["red", "apple", "blue", "sky", "grass", "green"]


@pytest.fixture
def triplets(mined):
    kept = KnownPositiveFilter().run(examples=mined)["examples"]
    return TripletBuilder().run(examples=kept)["triplets"]


@pytest.fixture
def trainer(spec, tmp_path) -> SentenceTransformersTrainer:
    return SentenceTransformersTrainer(str(tmp_path / "trained"), corpus=spec, epochs=2, **TINY)


@pytest.fixture(scope="module")
def bag_of_words(tmp_path_factory) -> str:
    """A model whose vectors count the six words: its cosines can be worked out by hand."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(COLOURS)}, unk_token="red"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("bag-of-words")
    module = StaticEmbedding(tokenizer, embedding_weights=torch.eye(len(COLOURS)))
    SentenceTransformer(modules=[module], device="cpu").save(str(folder))
    return str(folder)


@pytest.fixture
def colours(make_beir) -> str:
    passages = [
        {"_id": "d1", "text": "apple red"},
        {"_id": "d2", "text": "sky blue"},
        {"_id": "d3", "text": "grass green"},
    ]
    queries = [
        {"_id": "a", "text": "red apple", "metadata": {"language": "en"}},
        {"_id": "b", "text": "blue blue sky grass", "metadata": {"language": "ko"}},
    ]
    return f"beir:{make_beir(passages, queries, {'test': [('a', 'd1', 1), ('b', 'd3', 2), ('b', 'd2', 0)]})}"


# Training


def test_training_gives_the_folder_and_what_happened(trainer, triplets, tmp_path):
    result = trainer.run(triplets=triplets)
    assert set(result) == {"model", "training"}
    assert result["model"] == str(tmp_path / "trained" / "model")
    # Three pairs in batches of two are two steps an epoch.
    expected = {"steps": 4, "examples": 3, "epochs": 2, "base_model": "static"}
    assert {name: result["training"][name] for name in expected} == expected

    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(result["model"], device="cpu")
    assert model.encode(["a river"]).shape == (1, 16)


def test_a_finished_training_is_returned_at_once(trainer, triplets, tmp_path):
    first = trainer.run(triplets=triplets)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "trained").rglob("*") if path.is_file()}
    assert trainer.run(triplets=triplets) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "trained").rglob("*") if path.is_file()} == files


def test_the_base_model_is_what_training_starts_from(trainer, triplets):
    before = trainer.untrained()
    text = ["The Amazon is the longest river of South America."]
    again = trainer.untrained().encode(text)
    assert (before.encode(text) == again).all()
    trainer.run(triplets=triplets)

    from sentence_transformers import SentenceTransformer

    after = SentenceTransformer(str(trainer.output_dir) + "/model", device="cpu").encode(text)
    assert after.shape == again.shape
    assert not (after == again).all()


def test_word_pieces_may_come_from_a_document_store(tmp_path, triplets):
    store = InMemoryDocumentStore()
    store.write_documents([Document(content=text) for text in triplets["positive"]])
    trainer = SentenceTransformersTrainer(str(tmp_path / "m"), corpus=store, max_steps=1, **TINY)
    assert trainer.run(triplets=triplets)["training"]["steps"] == 1


def test_an_empty_table_is_an_error(trainer):
    with pytest.raises(RecordError, match="no rows"):
        trainer.run(triplets=TripletBuilder().run(examples=[])["triplets"])


def test_a_pipeline_fits_shapes_that_are_trained_on(trainer, mined, tmp_path):
    built = TripletBuilder(shape="triplet", ids=True).run(examples=mined)["triplets"]
    # 3, 4 and 3 candidates, of which the positives p1, k1 and p2 and their copies k4 and p9 are left out: five rows in
    # batches of two, two epochs.
    assert list(zip(built["positive_id"], built["negative_ids"], strict=True)) == [
        ("p1", ["p3"]),
        ("p1", ["p5"]),
        ("p2", ["p4"]),
        ("p2", ["p3"]),
        ("k1", ["k2"]),
    ]
    assert trainer.run(triplets=built)["training"]["steps"] == 6


# Evaluation


def test_metrics_by_hand(colours, bag_of_words):
    # a: "apple red" has cosine 1: rank 1. b = (blue 2, sky 1, grass 1): sky blue 3/√12, grass green 1/√12: rank 2.
    result = RetrievalEvaluator(colours, metrics=["RR@10", "R@1", "R@2"]).run(model=bag_of_words)
    assert set(result) == {"metrics", "languages"}
    assert result["metrics"] == {"RR@10": 0.75, "R@1": 0.5, "R@2": 1.0}
    assert result["languages"] == {
        "en": {"RR@10": 1.0, "R@1": 1.0, "R@2": 1.0},
        "ko": {"RR@10": 0.5, "R@1": 0.0, "R@2": 1.0},
    }


def test_relevance_is_the_lowest_grade_that_counts(colours, bag_of_words):
    # Only b's d3 has grade 2; the metric's name says so, as ir_measures spells it.
    result = RetrievalEvaluator(colours, metrics=["RR@10"], relevance=2).run(model=bag_of_words)
    assert result["metrics"] == {"RR(rel=2)@10": 0.25}


def test_the_usual_metrics_by_default(colours, bag_of_words):
    metrics = RetrievalEvaluator(colours).run(model=bag_of_words)["metrics"]
    assert list(metrics) == ["RR@10", "R@1", "R@5", "R@10", "R@100", "nDCG@10"]
    # b's only relevant passage stands second: its discounted gain is 1 / log2(3) of the ideal one.
    assert metrics["nDCG@10"] == pytest.approx((1 + 0.63093) / 2, abs=1e-5)


def test_batches_do_not_matter(colours, bag_of_words):
    one, many = (RetrievalEvaluator(colours, batch_size=size).run(model=bag_of_words) for size in (1, 64))
    assert one == many


def test_the_dataset_is_opened_once(colours, bag_of_words):
    evaluator = RetrievalEvaluator(colours)
    first = evaluator.run(model=bag_of_words)
    shutil.rmtree(colours.removeprefix("beir:"))
    evaluator.warm_up()
    assert evaluator.run(model=bag_of_words) == first


def test_a_metric_deeper_than_top_k_is_an_error_before_the_model_is_loaded(colours):
    with pytest.raises(EvaluationError, match="R@100"):
        RetrievalEvaluator(colours, metrics=["R@100"], top_k=10).run(model="no/such/model")


def test_a_model_that_is_not_there_is_named(colours):
    with pytest.raises(ModelError, match="there is no folder no/such/model"):
        RetrievalEvaluator(colours).run(model="no/such/model")


# From miner to evaluator


def whole_pipeline(spec: str, folder: str) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("bm25", BM25NegativeMiner(spec))
    pipeline.add_component("random", RandomNegativeMiner(spec, top_k=4))
    pipeline.add_component("known_positives", KnownPositiveFilter())
    pipeline.add_component("sample", NegativeSampler(num_negatives=2))
    pipeline.add_component("triplets", TripletBuilder())
    pipeline.add_component("train", SentenceTransformersTrainer(folder, corpus=spec, **TINY))
    pipeline.add_component("evaluate", RetrievalEvaluator(spec, metrics=["RR@10", "nDCG@10"]))
    for sender, receiver in (
        ("bm25.examples", "random.examples"),
        ("random.examples", "known_positives.examples"),
        ("known_positives.examples", "sample.examples"),
        ("sample.examples", "triplets.examples"),
        ("triplets.triplets", "train.triplets"),
        ("train.model", "evaluate.model"),
    ):
        pipeline.connect(sender, receiver)
    return pipeline


def test_one_pipeline_from_miner_to_evaluator(spec, tmp_path):
    data = {"bm25": {"examples": ExampleShards(load_dataset(spec), "train")[0]}}
    ran = whole_pipeline(spec, str(tmp_path / "sync")).run(data, include_outputs_from={"triplets"})
    assert ran["triplets"]["triplets"].column_names == ["anchor", "positive", "negative_1", "negative_2"]
    assert ran["train"]["training"]["steps"] == 2
    metrics, languages = ran["evaluate"]["metrics"], ran["evaluate"]["languages"]
    assert list(metrics) == ["RR@10", "nDCG@10"]
    assert all(0 < value <= 1 for value in metrics.values())
    # One Arabic and one English query in the split: the mean over both is that of the two languages.
    assert set(languages) == {"ar", "en"}
    assert metrics["RR@10"] == pytest.approx((languages["ar"]["RR@10"] + languages["en"]["RR@10"]) / 2)

    ran_async = asyncio.run(whole_pipeline(spec, str(tmp_path / "async")).run_async(data))
    assert ran_async["evaluate"] == ran["evaluate"]
