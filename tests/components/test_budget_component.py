"""The budget: what exactly it drops, from which labels, and when it refuses."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hand_made import corpus_of, found, numbered_corpus, reasons
from haystack import Document

from hardneg_plugin import FalseNegativeBudget, MiningExample
from hardneg_plugin.datasets.labels import LabelRow, write_labels
from hardneg_plugin.errors import DatasetError, RecordError
from hardneg_plugin.messages import shown_by
from hardneg_plugin.records import table_of, with_scores, with_table
from hardneg_plugin.records.dictionary_column import DictionaryColumn

QUERIES, EACH = 60, 10
REASON = "over the false-negative budget"


@pytest.fixture
def examples():
    """Sixty queries with ten candidates; the second and third of each score like the positive: false negatives."""
    corpus = numbered_corpus(QUERIES * EACH)
    bare = [
        MiningExample(f"q{number}", f"query {number}", (Document(id=f"pos{number}", content=f"answer {number}"),))
        for number in range(QUERIES)
    ]
    ids = [[f"p{number * EACH + position + 1}" for position in range(EACH)] for number in range(QUERIES)]
    mined = found(bare, corpus, ids)
    scores = np.full((QUERIES, EACH), 0.3, dtype=np.float32)
    scores[:, 1:3] = 0.95
    return with_table(mined, with_scores(table_of(mined), "m", scores.ravel(), np.ones(QUERIES, dtype=np.float32)))


def false_ids(example):
    return [candidate.id for position, candidate in enumerate(example.candidates) if position in (1, 2)]


def label_file(path, examples, queries):
    rows = [
        LabelRow(example.id, candidate.id, "relevant" if candidate.id in false_ids(example) else "irrelevant")
        for example in examples[:queries]
        for candidate in example.candidates
    ]
    write_labels(path, rows)
    return str(path)


def assert_only_false(examples):
    """The false negatives are dropped, with and without labels, and no other: 2 % allow less than a fold's."""
    for example in examples:
        assert {i for i, reason in reasons(example).items() if reason == REASON} == set(false_ids(example))


def test_exactly_the_false_negatives_are_dropped_with_or_without_labels(examples, tmp_path):
    budget = FalseNegativeBudget(label_file(tmp_path / "labels.csv", examples, 40), rate=0.02, texts=False)
    after = budget.run(examples=examples)["examples"]
    assert_only_false(after)
    scores = after[50].candidates[1].scores["budget"], after[50].candidates[0].scores["budget"]
    assert scores[0] > 0.8 > 0.1 > scores[1]


def test_it_says_what_it_keeps_and_what_that_costs(examples, tmp_path):
    said = []
    budget = FalseNegativeBudget(label_file(tmp_path / "labels.csv", examples, 40), rate=0.02, texts=False)
    with shown_by(said.append):
        budget.run(examples=examples)
    # One chain: 1 - 0.05^(1/320) = .93 %.
    assert re.fullmatch(
        r"FalseNegativeBudget: keeps 480 of 600 candidates \(P up to 0\.\d+\): the rate of false negatives is 0\.0% "
        r"among 320 labelled ones, at most 0\.9% with 95 % confidence; it costs about \d+ true negatives \(\d\.\d%\)",
        said[0],
    )


def test_too_few_labels_stop_the_run_or_drop_all(examples, tmp_path):
    few = label_file(tmp_path / "few.csv", examples, 11)
    with pytest.raises(RecordError, match=r"110 labels \(20.0% false negatives\) cannot show .* takes 59 kept ones"):
        FalseNegativeBudget(few, rate=0.05, texts=False).run(examples=examples)
    after = FalseNegativeBudget(few, rate=0.05, texts=False, if_unsupported="drop").run(examples=examples)["examples"]
    assert {reason for example in after for reason in reasons(example).values()} == {REASON}
    with pytest.raises(RecordError, match="of 5 queries: a model needs at least 10 queries"):
        FalseNegativeBudget(label_file(tmp_path / "5.csv", examples, 5), texts=False).run(examples=examples)


def test_what_was_dropped_before_keeps_its_reason_and_is_no_label(examples, tmp_path):
    labels = label_file(tmp_path / "labels.csv", examples, QUERIES)
    table = table_of(examples)
    first = np.arange(len(table.passages)) % EACH == 0
    before = with_table(examples, table.drop(first, "quality"))
    after = FalseNegativeBudget(labels, rate=0.02, texts=False).run(examples=before)["examples"]
    assert [example.candidates[0].dropped for example in after] == ["quality"] * QUERIES
    assert_only_false(after)
    assert "budget" not in after[0].candidates[0].scores


def test_qrels_are_labels_and_what_they_do_not_name_may_be_known_to_be_negative(examples, make_beir):
    spec = "beir:" + str(
        make_beir(
            passages=[{"_id": f"p{number}", "text": f"passage number {number}"} for number in range(1, 601)],
            queries=[{"_id": example.id, "text": example.query} for example in examples],
            qrels={"train": [(e.id, i, 2) for e in examples for i in false_ids(e)]},
        )
    )
    budget = FalseNegativeBudget(spec, unjudged="negative", relevance=2, rate=0.02, texts=False)
    after = budget.run(examples=examples)["examples"]
    assert_only_false(after)
    with pytest.raises(RecordError, match="120 labelled candidates, 120 of them false negatives"):
        FalseNegativeBudget(spec, texts=False).run(examples=examples)


def test_verdicts_on_some_foretell_those_on_others(examples):
    table = table_of(examples)
    labels = ["false_negative" if position in (1, 2) else "hard_negative" for position in range(EACH)] * 40 + [""] * 200
    judged = with_table(examples, replace(table, label=DictionaryColumn.of(labels)))
    after = FalseNegativeBudget("verdicts", rate=0.02, texts=False).run(examples=judged)["examples"]
    assert_only_false(after)


def test_texts_tell_where_nothing_else_does(examples, tmp_path):
    words = ["river", "bee", "hive", "queen", "city", "train", "glass", "paper", "stone", "cloud"]
    texts, bare, ids = {}, [], []
    for number in range(QUERIES):
        answer = f"the {words[number % 10]} number {number} is blue"
        bare.append(MiningExample(f"q{number}", f"colour of {number}", (Document(id=f"a{number}", content=answer),)))
        ids.append([f"t{number}-{position}" for position in range(EACH)])
        for position, identifier in enumerate(ids[-1]):
            texts[identifier] = (
                f"{answer} indeed {position}" if position in (1, 2) else f"{words[position]} of {position} years"
            )
    mined = found(bare, corpus_of(texts), ids)
    after = FalseNegativeBudget(label_file(tmp_path / "l.csv", mined, 50), rate=0.02).run(examples=mined)["examples"]
    out = [{i for i, reason in reasons(example).items() if reason == REASON} for example in after]
    assert all(set(false_ids(example)) <= dropped for example, dropped in zip(after, out, strict=True))
    assert sum(map(len, out)) < 200


def test_the_fingerprint_follows_the_content_of_the_labels(examples, tmp_path):
    path = tmp_path / "labels.csv"
    budget = FalseNegativeBudget(label_file(path, examples, 3))
    before = budget.identity_of_inputs()
    assert budget.identity_of_inputs() == before
    label_file(path, examples, 4)
    assert budget.identity_of_inputs() != before
    path.unlink()
    with pytest.raises(DatasetError, match="no label file that can be read"):
        budget.identity_of_inputs()
