from __future__ import annotations

import numpy as np
import pytest
from dense_models import LetterDocumentEmbedder, LetterTextEmbedder, saved_model, static_model
from hand_made import own_candidates
from haystack import Document, Pipeline
from haystack.core.errors import SerializationError
from haystack.core.serialization import component_to_dict

from hardneg_plugin import BM25NegativeMiner, MiningExample, load_dataset
from hardneg_plugin.components.dense_negative_miner import DenseNegativeMiner
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.search.dense import flat_index

TYPE = "hardneg_plugin.components.dense_negative_miner.DenseNegativeMiner"
PAIR = {"model": None, "similarity": "dot", "text_embedder": LetterTextEmbedder()}
PAIR["document_embedder"] = LetterDocumentEmbedder()


@pytest.fixture
def folder(tmp_path) -> str:
    """Folder of a model whose similarity is cosine."""
    return saved_model(tmp_path / "models" / "tiny")


def mine(corpus, model, given, **parameters):
    return DenseNegativeMiner(corpus, model, **parameters).run(examples=given)["examples"]


def ids(example):
    return [candidate.id for candidate in example.candidates]


def ranked(example, source):
    """Ids that a source found, best first."""
    found = [one for one in example.candidates if source in one.sources]
    return [one.id for one in sorted(found, key=lambda one: one.sources[source].rank)]


def by_hand(model, queries, passages, similarity):
    """Similarities in float64, shape (queries, passages)."""
    left, right = (model.encode(list(texts)).astype(np.float64) for texts in (queries, passages))
    if similarity == "euclidean":
        return -np.sqrt(((left[:, None] - right[None]) ** 2).sum(axis=2))
    if similarity == "cosine":
        left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    return left @ right.T


# Mining


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("faiss", [True, False])
def test_the_ranking_is_that_of_the_model_s_own_similarity(spec, examples, similarity, faiss, monkeypatch):
    if not faiss:
        monkeypatch.setattr(flat_index, "find_spec", lambda name: None)
    model = static_model(similarity=similarity, normalise=False)
    corpus = load_dataset(spec).corpus
    scores = by_hand(model, [one.query for one in examples], corpus.iter_texts(), similarity)
    # p2 and p9, and k1 and k4 but for a full stop, are one text: it has the best score, and the name of the lower row.
    for first, copy in (corpus.rows_of(["p2", "p9"]), corpus.rows_of(["k1", "k4"])):
        scores[:, first] = scores[:, [first, copy]].max(axis=1)
    for number, example in enumerate(mine(spec, model, examples, top_k=5, source="d")):
        order = np.argsort(-scores[number].astype(np.float32), kind="stable")
        expected = order[~np.isin(order, corpus.rows_of(["p9", "k4"]))][:5]
        assert ids(example) == corpus.ids(expected)
        found = [candidate.sources["d"].score for candidate in example.candidates]
        np.testing.assert_allclose(found, scores[number][expected], rtol=1e-5)
        assert found == sorted(found, reverse=True)


def test_two_processes_encode_as_one_does(spec, examples, folder, monkeypatch, tmp_path):
    alone = mine(spec, folder, examples, top_k=5, source="d")
    monkeypatch.setenv("HARDNEG_CACHE", str(tmp_path / "another cache"))
    shared = mine(spec, folder, examples, top_k=5, source="d", device=["cpu", "cpu"])
    assert [ranked(one, "d") for one in shared] == [ranked(one, "d") for one in alone]


@pytest.mark.parametrize("device", [[], [""], "", 0, ["cpu", 1]])
def test_devices_are_names(spec, folder, device):
    with pytest.raises(ParameterError, match="device must be a name such as 'cuda:0', or a list of names"):
        DenseNegativeMiner(spec, folder, device=device)


def test_vectors_of_a_half_precision_model_are_kept_in_half_precision(spec, examples, folder):
    miner = DenseNegativeMiner(spec, folder, top_k=5, source="d", dtype="float16")
    assert all(len(ids(one)) == 5 for one in miner.run(examples=examples)["examples"])
    assert {np.load(path).dtype for path in miner._passages.folder.glob("part-*.npy")} == {np.dtype(np.float16)}


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_an_approximate_index_says_how_much_it_found(spec, examples, index):
    pytest.importorskip("faiss")
    miner = DenseNegativeMiner(spec, static_model(), top_k=5, index=index)
    assert miner.recall is None
    found = miner.run(examples=examples)["examples"]
    exact = mine(spec, static_model(), examples, top_k=5)
    # So small a corpus is one list, or one graph that is walked as a whole.
    assert miner.recall == 1
    assert [set(ids(one)) for one in found] == [set(ids(one)) for one in exact]
    with pytest.raises(ParameterError, match="index must be one of exact, ivf, hnsw; got 'flat'"):
        DenseNegativeMiner(spec, static_model(), index="flat")


def test_the_three_similarities_differ_here(spec, examples):
    models = [static_model(similarity=name, normalise=False) for name in ("cosine", "dot", "euclidean")]
    assert len({str([ids(one) for one in mine(spec, model, examples)]) for model in models}) == 3


def test_a_similarity_may_be_chosen(spec, examples):
    model = static_model(similarity="cosine", normalise=False)
    chosen = mine(spec, model, examples, similarity="dot")
    model.similarity_fn_name = "dot"
    assert chosen == mine(spec, model, examples)


def test_a_similarity_that_cannot_be_searched_is_refused_before_any_encoding(spec, cache_folder):
    with pytest.raises(ParameterError, match="got 'manhattan'"):
        DenseNegativeMiner(spec, static_model(similarity="manhattan")).warm_up()
    assert not (cache_folder / "embeddings").exists()


def test_a_corpus_smaller_than_top_k_gives_all_of_it_and_no_padding(spec, examples):
    corpus = load_dataset(spec).corpus
    for example in mine(spec, static_model(), examples, top_k=500):
        assert sorted(ids(example)) == sorted(set(corpus.ids(range(12))) - {"p9", "k4"})
        assert [candidate.sources["dense"].rank for candidate in example.candidates] == list(range(1, 11))


def test_every_candidate_and_positive_is_scored_by_the_same_similarity(spec, examples):
    model = static_model(similarity="euclidean", normalise=False)
    example = mine(spec, model, examples, source="d")[1]
    assert all(one.scores["d"] == one.sources["d"].score for one in example.candidates)
    # The positive of q2 is p2, which the search found as well: the same score to the last bit.
    (positive,) = example.candidates.positive_scores["d"]
    assert positive == next(one.scores["d"] for one in example.candidates if one.id == "p2")
    assert positive < 0


def test_what_other_sources_found_is_scored_too(spec, examples):
    model = static_model()
    mined = BM25NegativeMiner(spec).run(examples=examples)["examples"]
    generated = MiningExample("g", "a river of bees", candidates=own_candidates([Document(content="bees and rivers")]))
    after = mine(spec, model, [*mined, generated], top_k=1, source="d")
    texts = [candidate.text for candidate in after[0].candidates]
    assert [list(one.sources) for one in after[0].candidates][1] == ["bm25"]
    scores = by_hand(model, [examples[0].query], texts, "cosine")[0]
    np.testing.assert_allclose([one.scores["d"] for one in after[0].candidates], scores, rtol=1e-5)
    own = by_hand(model, ["a river of bees"], ["bees and rivers"], "cosine")[0, 0]
    np.testing.assert_allclose(after[3].candidates[0].scores["d"], own, rtol=1e-5)


def test_positives_outside_the_corpus_or_without_text(spec):
    positives = (
        Document(id="p1", content="The Amazon is the longest river of South America."),
        Document(id="p1", content="another text under an id of the corpus"),
        Document(id="elsewhere", content="a river in Asia"),
        Document(id="empty", content=None),
    )
    model = static_model()
    example = mine(spec, model, [MiningExample("q", "longest river", positives=positives)])[0]
    *scores, none = example.candidates.positive_scores["dense"]
    texts = [positive.content for positive in positives[:3]]
    np.testing.assert_allclose(scores, by_hand(model, ["longest river"], texts, "cosine")[0], rtol=1e-5)
    assert none is None


def test_a_candidate_without_text_has_no_score(spec):
    example = MiningExample("g", "bees", candidates=own_candidates([Document(id="o", content=None)]))
    after = mine(spec, static_model(), [example], top_k=1)[0]
    assert dict(after.candidates[0].scores) == {}
    assert after.candidates[0].sources == {}


def test_prompts_and_dimensions_reach_the_model(spec, examples):
    model = static_model()
    plain = mine(spec, model, examples)
    asked = [MiningExample(one.id, f"bees {one.query}", one.positives) for one in examples]
    prompted = mine(spec, model, examples, query_prompt="bees ")
    assert [ids(one) for one in prompted] == [ids(one) for one in mine(spec, model, asked)]
    assert [ids(one) for one in prompted] != [ids(one) for one in plain]
    assert mine(spec, model, examples, passage_prompt="bees ") != plain
    assert mine(spec, model, examples, truncate_dim=2) != plain


def test_several_models_are_several_sources(spec, examples, tmp_path):
    first, second = (saved_model(tmp_path / name, seed=seed) for name, seed in (("one", 1), ("two", 2)))
    after = mine(spec, second, mine(spec, first, examples, top_k=4), top_k=4)[0]
    assert len(ranked(after, "dense:one")) == len(ranked(after, "dense:two")) == 4
    assert ranked(after, "dense:one") != ranked(after, "dense:two")
    assert list(after.candidates.positive_scores) == ["dense:one", "dense:two"]
    assert all("dense:two" in one.scores for one in after.candidates)


def test_the_same_source_twice_is_refused(spec, examples, folder):
    with pytest.raises(RecordError, match="already have a source 'dense:tiny'"):
        mine(spec, folder, mine(spec, folder, examples))


def test_the_batch_makes_no_difference(spec, examples, folder):
    miner = DenseNegativeMiner(spec, folder, top_k=5)
    at_once = miner.run(examples=examples)["examples"]
    assert [miner.run(examples=[one])["examples"][0] for one in examples] == at_once
    assert miner.run(examples=examples[::-1])["examples"][::-1] == at_once


# Checkpoints


def test_a_model_trained_between_two_runs_is_searched_with_its_new_vectors(spec, examples):
    import torch

    model = static_model()
    miner = DenseNegativeMiner(spec, model, top_k=12)
    before = miner.run(examples=examples)["examples"]
    with torch.no_grad():
        model[0].embedding.weight.copy_(static_model(seed=9)[0].embedding.weight)
    after = miner.run(examples=examples)["examples"]
    assert after == mine(spec, static_model(seed=9), examples, top_k=12)
    assert [ids(one) for one in after] != [ids(one) for one in before]


def test_the_second_checkpoint_of_one_name_never_sees_the_first_one_s_vectors(spec, examples, tmp_path):
    found = [
        mine(spec, saved_model(tmp_path / f"run-{seed}" / "checkpoint", seed=seed), examples, top_k=12)
        for seed in (1, 2)
    ]
    fresh = [mine(spec, static_model(seed=seed), examples, top_k=12, source="dense:checkpoint") for seed in (1, 2)]
    assert found == fresh
    assert found[0] != found[1]


# Names


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("minishlab/potion-base-4M", "dense:minishlab/potion-base-4M"),
        ("all-MiniLM-L6-v2", "dense:all-MiniLM-L6-v2"),
        (object(), "dense"),
    ],
)
def test_the_source_is_named_after_the_model(model, name):
    miner = DenseNegativeMiner("sample", model)
    assert (miner.source, miner.source_name) == (None, name)


def test_the_source_of_a_folder_is_its_name(folder, monkeypatch):
    assert DenseNegativeMiner("sample", folder).source_name == "dense:tiny"
    assert DenseNegativeMiner("sample", f"{folder}/").source_name == "dense:tiny"
    monkeypatch.chdir(folder)
    assert DenseNegativeMiner("sample", ".").source_name == "dense:tiny"
    assert DenseNegativeMiner("sample", folder, source="d").source_name == "d"


# Embedders


def test_a_pair_of_embedders_in_place_of_a_model(spec, examples):
    after = mine(spec, top_k=2, given=examples[1:2], **PAIR)[0]
    corpus = load_dataset(spec).corpus
    counts = np.array([[text.lower().count(letter) for letter in "abcde"] for text in corpus.iter_texts()])
    query = np.array([examples[1].query.count(letter) for letter in "abcde"])
    order = np.argsort(-(counts @ query), kind="stable")
    best = order[~np.isin(order, corpus.rows_of(["p9", "k4"]))][:2]
    assert ids(after) == corpus.ids(best)
    assert [one.sources["dense"].score for one in after.candidates] == (counts @ query)[best].tolist()


def test_embedders_with_other_weights_behind_the_same_parameters_are_told_apart(spec, examples):
    class Replaced(LetterDocumentEmbedder):
        def run(self, documents):
            return LetterDocumentEmbedder(weight=-1).run(documents)

        def to_dict(self):
            return LetterDocumentEmbedder().to_dict()

    def pair(document_embedder):
        return {**PAIR, "document_embedder": document_embedder}

    given = examples[1:2]
    first = mine(spec, given=given, **pair(LetterDocumentEmbedder()))[0]
    second = mine(spec, given=given, **pair(Replaced()))[0]
    assert second.candidates[0].sources["dense"].score == -first.candidates[9].sources["dense"].score


def test_an_embedder_that_leaves_a_text_out_is_named(spec, examples):
    embedder = LetterDocumentEmbedder(skip="A river carries sand and mud to the sea.")
    with pytest.raises(ParameterError, match="LetterDocumentEmbedder: no embedding for 1 of 12 texts"):
        mine(spec, given=examples, **{**PAIR, "document_embedder": embedder})


# What goes with a model, with embedders, and with neither


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"text_embedder": LetterTextEmbedder()}, "give either model, or both text_embedder and document_embedder"),
        ({**PAIR, "model": "m"}, "give either model, or both text_embedder and document_embedder"),
        ({**PAIR, "similarity": "auto"}, "embedders do not name one; give cosine, dot or euclidean"),
        ({**PAIR, "query_prompt": "q"}, "query_prompt: set that on the embedders"),
        ({"model": object(), "device": "cpu"}, "device: set that on the model in memory"),
    ],
)
def test_parameters_that_exclude_each_other_are_refused(parameters, message):
    with pytest.raises(ParameterError) as caught:
        DenseNegativeMiner(**{"corpus": "sample", "model": "m", **parameters})
    assert message in str(caught.value)


def test_an_object_that_is_no_model_is_named(spec):
    with pytest.raises(ParameterError, match="model must be a SentenceTransformer, got dict"):
        DenseNegativeMiner(spec, {"a": 1}).warm_up()


def test_a_pipeline_with_embedders_is_dumped_and_loaded(monkeypatch):
    monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "hardneg_plugin,dense_models")
    pipeline = Pipeline()
    pipeline.add_component("it", DenseNegativeMiner("sample", **PAIR))
    again = Pipeline.loads(pipeline.dumps())
    assert again.dumps() == pipeline.dumps()
    assert isinstance(again.get_component("it").document_embedder, LetterDocumentEmbedder)


def test_a_model_in_memory_cannot_be_written():
    with pytest.raises(SerializationError):
        component_to_dict(DenseNegativeMiner("sample", static_model()), "it")


async def test_it_runs_in_an_asynchronous_pipeline(spec, examples, folder):
    pipeline = Pipeline()
    pipeline.add_component("dense", DenseNegativeMiner(spec, folder, top_k=3))
    result = await pipeline.run_async({"dense": {"examples": examples}})
    assert result["dense"]["examples"] == mine(spec, folder, examples, top_k=3)


@pytest.mark.integration
def test_a_real_model_on_real_data_finds_most_positives(shared):
    """RR@10 of the untouched model on the test queries is 0.722 (shared data's README): the miner ranks the same."""
    from hardneg_plugin import ExampleShards

    spec = f"beir:{shared / 'data' / 'msmarco'}"
    examples = ExampleShards(load_dataset(spec), "test")[0]
    miner = DenseNegativeMiner(spec, str(shared / "models" / "potion-base-4m"), top_k=50)
    after = miner.run(examples=examples)["examples"]
    reciprocal = []
    for example in after:
        ranks = {one.id: one.sources["dense:potion-base-4m"].rank for one in example.candidates}
        rank = ranks.get(example.positives[0].id, 99)
        reciprocal.append(1 / rank if rank <= 10 else 0)
    assert np.mean(reciprocal) == pytest.approx(0.722, abs=0.0006)
