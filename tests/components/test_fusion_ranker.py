from __future__ import annotations

import pytest
from hand_made import found, numbered_corpus

from hardneg_plugin import FusionRanker, MiningExample, NegativeSampler
from hardneg_plugin.errors import ParameterError, RecordError
from hardneg_plugin.records import table_of


@pytest.fixture
def two_sources() -> list[MiningExample]:
    """bm25: p1 p2 p3 with 10, 9, 8; dense: p3 p4 p1 with the same."""
    corpus = numbered_corpus(6)
    examples = found([MiningExample(id="q", query="?", positives=())], corpus, [["p1", "p2", "p3"]])
    return found(examples, corpus, [["p3", "p4", "p1"]], source="dense")


def fused(examples: list[MiningExample], **parameters) -> dict[str, tuple[int, float]]:
    done = FusionRanker(**parameters).run(examples=examples)["examples"]
    table = table_of(done)
    ids = [candidate.id for candidate in done[0].candidates]
    values = zip(table.ranks["fused"].tolist(), table.source_scores["fused"].tolist(), strict=True)
    return dict(zip(ids, values, strict=True))


def test_reciprocal_rank_fusion(two_sources):
    """Both found p1 and p3 at ranks 1 and 3: equal, in their order; p2 and p4 are second in one."""
    result = fused(two_sources)
    assert {name: rank for name, (rank, _) in result.items()} == {"p1": 1, "p3": 2, "p2": 3, "p4": 4}
    assert result["p1"][1] == pytest.approx(1 / 61 + 1 / 63)
    assert result["p2"][1] == pytest.approx(1 / 62)


def test_weights_and_k(two_sources):
    result = fused(two_sources, k=0, weights={"dense": 3})
    # p3: 1/3 + 3; p1: 1 + 1; p4: 3/2; p2: 1/2.
    assert {name: rank for name, (rank, _) in result.items()} == {"p3": 1, "p1": 2, "p4": 3, "p2": 4}


def test_score_sum(two_sources):
    """Scores 10, 9, 8 become 1, 0.5, 0 in each source."""
    result = fused(two_sources, method="score_sum")
    assert {name: score for name, (_, score) in result.items()} == {"p1": 1.0, "p2": 0.5, "p3": 1.0, "p4": 0.5}


def test_the_sampler_takes_the_fused_rank(two_sources):
    examples = FusionRanker().run(examples=two_sources)["examples"]
    examples = NegativeSampler(num_negatives=2, source="fused").run(examples=examples)["examples"]
    assert [candidate.id for candidate in examples[0].candidates if not candidate.dropped] == ["p1", "p3"]


def test_sources_that_are_not_there(two_sources):
    with pytest.raises(RecordError, match="no source 'splade'"):
        fused(two_sources, sources=["bm25", "splade"])
    with pytest.raises(RecordError, match="already have a source 'bm25'"):
        FusionRanker(source="bm25").run(examples=two_sources)
    with pytest.raises(ParameterError, match="two or more names"):
        FusionRanker(sources=["bm25"])
