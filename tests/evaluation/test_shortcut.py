from __future__ import annotations

import json
import random

import pytest

from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.shortcut import Shortcut, shortcut_auc

WORDS = [f"{first}{second}" for first in ("kal", "mor", "tis", "ven", "bur") for second in ("ana", "ilo", "eru", "oda")]


def texts(number: int, seed: int, extra: str = "") -> list[str]:
    """Twelve words by chance each, and one that all have."""
    draw = random.Random(seed)
    return [" ".join([*draw.choices(WORDS, k=12), *([extra] if extra else [])]) for _ in range(number)]


def test_passages_with_a_word_of_their_own_are_all_told():
    found = shortcut_auc(texts(100, 1, "however"), texts(100, 2))
    assert found.auc == 1.0
    assert found.interval == (1.0, 1.0)
    assert found.texts == 100
    assert found.most_telling[0] == "however"


def test_passages_of_one_kind_are_not_told():
    found = shortcut_auc(texts(300, 1), texts(300, 2))
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.interval[0] < found.auc < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.15


def test_scripts_without_spaces_have_telling_words_too():
    corpus = [f"川は海へ流れる{number}。" for number in range(60)]
    found = shortcut_auc([f"しかし{text}" for text in corpus], corpus)
    assert found.auc == 1.0
    assert any("しか" in word for word in found.most_telling)


def test_the_order_of_the_texts_does_not_matter():
    generated, corpus = texts(80, 1, "however"), texts(120, 2)
    groups = [f"q{number % 40}" for number in range(80)], [f"q{number % 40}" for number in range(120)]
    first = shortcut_auc(generated, corpus, generated_groups=groups[0], corpus_groups=groups[1], seed=3)
    second = shortcut_auc(
        generated[::-1], corpus[::-1], generated_groups=groups[0][::-1], corpus_groups=groups[1][::-1], seed=3
    )
    assert first == second


def test_a_group_is_never_trained_on_and_scored():
    # Ten texts of one kind share a word of their own; other groups teach nothing about it.
    groups = [f"{number // 10:02}group" for number in range(400)]
    marked = [f"{text} {group}" for text, group in zip(texts(400, 1), groups, strict=True)]
    leaking = shortcut_auc(marked[:200], marked[200:])
    assert leaking.auc > 0.99
    grouped = shortcut_auc(marked[:200], marked[200:], generated_groups=groups[:200], corpus_groups=groups[200:])
    assert grouped.auc < 0.55


def test_the_larger_side_is_sampled():
    assert shortcut_auc(texts(60, 1), texts(500, 2)).texts == 60


def test_a_warning_names_the_figure_and_the_words():
    found = Shortcut(auc=0.93, interval=(0.9, 0.96), texts=100, most_telling=("however", "fact"))
    assert "AUC 0.93" in found.warning()
    assert "however, fact" in found.warning()
    assert found.warning(threshold=0.93) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"generated": ["one"] * 49}, "needs 50 texts of each kind, came 49 and 60"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"generated_groups": ["a"]}, "generated_groups: expected one for each of the 60 texts, came 1"),
        ({"generated_groups": ["a"] * 60, "corpus_groups": ["a"] * 60}, "too few groups"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, message):
    with pytest.raises(EvaluationError, match=message):
        shortcut_auc(**{"generated": texts(60, 1), "corpus": texts(60, 2), **given})


@pytest.mark.integration
def test_the_reference_runs_generated_negatives_give_themselves_away(shared):
    def read(name: str) -> list[dict[str, str]]:
        lines = (shared / "data" / "llm-recorded" / name).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines][:1500]

    generated, mined = read("generated_msmarco.jsonl"), read("classified_msmarco.jsonl")[:500]
    positives, negatives = [row["positive"] for row in mined], [row["negative"] for row in mined]
    queries = [row["query"] for row in mined]
    styled = shortcut_auc(
        [row["generated"] for row in generated],
        [*positives, *negatives],
        generated_groups=[row["query"] for row in generated],
        corpus_groups=queries * 2,
    )
    assert styled.auc > 0.97
    # Mined negatives are told from positives no better than by chance.
    control = shortcut_auc(negatives, positives, generated_groups=queries, corpus_groups=queries)
    assert control.auc < 0.56
