import pytest

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.metrics import by_language, score
from hardneg_plugin.evaluation.seeds import aggregate_seeds, languages_over_seeds

QRELS = {"q1": {"a": 1}, "q2": {"b": 1}}
LANGUAGES = {"q1": "sw", "q2": "ko"}
# RR per query: seed 7 has 1 and 1, seed 8 has 1/2 and 1.
FIRST = score({"q1": {"a": 2.0}, "q2": {"b": 2.0}}, QRELS, ["RR@10"])
SECOND = score({"q1": {"x": 2.0, "a": 1.0}, "q2": {"b": 2.0}}, QRELS, ["RR@10"])


def test_seeds_are_averaged_per_query_and_spread_is_that_of_their_means():
    combined = aggregate_seeds({8: SECOND, 7: FIRST})
    assert combined.seeds == (7, 8)
    assert combined.per_query == {"RR@10": {"q1": 0.75, "q2": 1.0}}
    spread = combined.spread["RR@10"]
    assert (spread.mean, spread.minimum, spread.maximum) == (0.875, 0.75, 1.0)
    # Both means are .125 away from their mean: sqrt((.125**2 + .125**2) / (2 - 1)).
    assert spread.deviation == pytest.approx(0.125 * 2**0.5)


def test_one_seed_has_no_deviation():
    assert aggregate_seeds({1: SECOND}).spread["RR@10"].deviation is None


def test_languages_are_averaged_over_seeds():
    combined = languages_over_seeds({7: by_language(FIRST, LANGUAGES), 8: by_language(SECOND, LANGUAGES)})
    assert {language: (part.queries, part.means) for language, part in combined.items()} == {
        "ko": (1, {"RR@10": 1.0}),
        "sw": (1, {"RR@10": 0.75}),
    }


def test_seeds_that_differ_are_not_combined():
    other_metric = score({}, QRELS, ["R@1"])
    with pytest.raises(EvaluationError, match=r"seeds 1 and 2 were scored differently: RR@10 at grade 1, and R@1"):
        aggregate_seeds({1: FIRST, 2: other_metric})
    fewer = score({}, {"q1": {"a": 1}}, ["RR@10"])
    with pytest.raises(EvaluationError, match=r"seeds 1 and 2 .* 1 differ, the first is 'q2'"):
        aggregate_seeds({1: FIRST, 2: fewer})
    with pytest.raises(EvaluationError, match="no seeds"):
        aggregate_seeds({})
    with pytest.raises(EvaluationError, match="seeds 1 and 2 differ in their languages"):
        languages_over_seeds({1: by_language(FIRST, LANGUAGES), 2: by_language(FIRST, {"q1": "sw", "q2": "sw"})})
    with pytest.raises(EvaluationError, match="no seeds"):
        languages_over_seeds({})
