from __future__ import annotations

import numpy as np
import pytest
from haystack import Document

from hardneg_plugin import ClusterNegativeMiner, MiningExample
from hardneg_plugin.cache import cache_root
from hardneg_plugin.components import cluster_negative_miner
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search import clusters as search_clusters


def alike(words, number):
    """Texts of the same words, each in a share of its own."""
    return [" ".join(words + [words[n % len(words)]] * (1 + n // len(words))) for n in range(number)]


COLOURS = alike(["red", "blue", "green", "colour"], 12)
DRINKS = alike(["tea", "wine", "water", "drink"], 8)


@pytest.fixture
def model(tmp_path):
    from hardneg_plugin.training.static_model import build_static_model

    built = build_static_model([*COLOURS, *DRINKS], dims=32, vocabulary=200, seed=0)
    built.save(str(tmp_path / "model"))
    return str(tmp_path / "model")


@pytest.fixture
def corpus(make_beir):
    passages = [{"_id": f"c{n}", "text": text} for n, text in enumerate(COLOURS)]
    passages += [{"_id": f"d{n}", "text": text} for n, text in enumerate(DRINKS)]
    return f"beir:{make_beir(passages, [{'_id': 'q', 'text': 'x'}], {'train': [('q', 'c0', 1)]})}"


def example(identifier, query, *positives):
    return MiningExample(identifier, query, tuple(Document(id=f"p{n}", content=t) for n, t in enumerate(positives)))


def mined(corpus, model, *examples, **parameters):
    found = ClusterNegativeMiner(corpus, model, clusters=2, **parameters).run(examples=list(examples))["examples"]
    return [[candidate.id for candidate in one.candidates] for one in found]


def test_candidates_are_of_the_positives_cluster(corpus, model):
    red, tea = mined(corpus, model, example("a", "tea", COLOURS[0]), example("b", "red", DRINKS[0]), top_k=50)
    assert sorted(red) == sorted(f"c{n}" for n in range(12))
    assert sorted(tea) == sorted(f"d{n}" for n in range(8))


def test_or_of_the_querys(corpus, model):
    (found,) = mined(corpus, model, example("a", "tea wine drink", COLOURS[0]), top_k=50, around="query")
    assert sorted(found) == sorted(f"d{n}" for n in range(8))


def test_positives_of_two_clusters_bring_both(corpus, model):
    (found,) = mined(corpus, model, example("a", "x", COLOURS[0], DRINKS[0]), top_k=50)
    assert len(found) == 20


def test_a_draw_depends_on_seed_and_id_alone(corpus, model):
    one, two = example("a", "x", COLOURS[0]), example("b", "y", COLOURS[1])
    first = mined(corpus, model, one, two, top_k=4)
    assert mined(corpus, model, two, one, top_k=4) == first[::-1]
    assert mined(corpus, model, two, top_k=4) == first[1:]
    assert first[0] != first[1]
    assert mined(corpus, model, one, top_k=4, seed=1) != first[:1]
    assert all(len(set(found)) == 4 for found in first)


def test_ranks_are_those_of_the_draw_and_there_is_no_score(corpus, model):
    miner = ClusterNegativeMiner(corpus, model, clusters=2, top_k=3)
    (found,) = miner.run(examples=[example("a", "x", COLOURS[0])])["examples"]
    sources = [candidate.sources["cluster"] for candidate in found.candidates]
    assert sorted(one.rank for one in sources) == [1, 2, 3]
    assert all(one.score is None or np.isnan(one.score) for one in sources)


def test_a_corpus_is_clustered_once_per_model_number_and_seed(corpus, model, monkeypatch):
    mined(corpus, model, example("a", "x", COLOURS[0]))
    built = {path.name for path in (cache_root() / "clusters").iterdir()}
    monkeypatch.setattr(search_clusters, "_build", None)
    mined(corpus, model, example("b", "x", COLOURS[0]))
    assert {path.name for path in (cache_root() / "clusters").iterdir()} == built
    with pytest.raises(TypeError):
        mined(corpus, model, example("a", "x", COLOURS[0]), seed=9)


def test_the_usual_number_is_the_square_root(corpus, model, monkeypatch):
    asked = []
    original = cluster_negative_miner.corpus_clusters

    def clusters_of(encoder, corpus, clusters, **rest):
        asked.append(clusters)
        return original(encoder, corpus, clusters, **rest)

    monkeypatch.setattr(cluster_negative_miner, "corpus_clusters", clusters_of)
    ClusterNegativeMiner(corpus, model).warm_up()
    # Twenty passages.
    assert asked == [4]


def test_more_clusters_than_passages_and_a_missing_faiss_are_refused(corpus, model, monkeypatch):
    with pytest.raises(ParameterError, match="clusters must be at most the number of passages, 20; got 21"):
        ClusterNegativeMiner(corpus, model, clusters=21).warm_up()
    monkeypatch.setattr(search_clusters, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"clusters need FAISS; install hardneg\[cpu\]"):
        ClusterNegativeMiner(corpus, model, clusters=2).warm_up()
