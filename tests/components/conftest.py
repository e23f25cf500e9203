from __future__ import annotations

import pytest
from hand_made import found, with_scores_by_m

from hardneg_plugin import ExampleShards, MiningExample, load_dataset


@pytest.fixture
def spec(tiny_beir) -> str:
    """Spec of the tiny dataset."""
    return f"beir:{tiny_beir}"


@pytest.fixture
def examples(spec) -> list[MiningExample]:
    """The three training queries of the tiny dataset, without candidates."""
    return list(ExampleShards(load_dataset(spec), "train")[0])


@pytest.fixture
def mined(spec, examples) -> list[MiningExample]:
    """The same with candidates: positives, their copies and others, all with scores by ``m``."""
    corpus = load_dataset(spec).corpus
    return with_scores_by_m(found(examples, corpus, [["p1", "p3", "p5"], ["p2", "p9", "p4", "p3"], ["k1", "k4", "k2"]]))
