"""Rates of false negatives of an audit: which labels count, for which negatives, under which name."""

from __future__ import annotations

import numpy as np
import pytest
from audit_rows import table

from hardneg_plugin.datasets.labels import LabelRow
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.evaluation.audit.false_negatives import LabelSources, rates_of
from hardneg_plugin.evaluation.audit.gates import Gate, parse_gate
from hardneg_plugin.evaluation.audit.judgements import (
    Judgements,
    answer_labels,
    judged_labels,
    person_labels,
    verdict_labels,
)
from hardneg_plugin.evaluation.audit.measures import hardness, length_aucs, style_aucs
from hardneg_plugin.evaluation.audit.pairs import Pairs
from hardneg_plugin.evaluation.audit.positives import out_of_fold, positive_finding
from hardneg_plugin.evaluation.audit.sample_examples import sample_examples
from hardneg_plugin.evaluation.audit.table import Provenance
from hardneg_plugin.records.dictionary_column import DictionaryColumn

ROWS = [
    ("who wrote Faust", ["Goethe."], ["Johann Wolfgang von Goethe.", "Mann."]),
    ("where is Ulm", ["There."], ["Here."]),
]
TEXTS = {"g": "johann wolfgang von goethe", "m": "Mann", "h": "Here!"}
QUERIES = {"1": "Who wrote Faust?", "2": "where is Ulm"}


def test_graded_judgements_leave_what_they_do_not_grade_without_a_label():
    judgements = Judgements(QUERIES, TEXTS, {"1": {"g": 2, "m": 1}, "2": {}}, relevance=2)
    assert judged_labels(table(*ROWS), judgements).tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_judgements_of_relevant_passages_alone_make_the_others_irrelevant():
    judgements = Judgements({"1": QUERIES["1"]}, TEXTS, {"1": {"g": 1}})
    # Nothing is known of the second query.
    assert judged_labels(table(*ROWS), judgements).tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_judgements_are_matched_by_id_where_texts_differ():
    judgements = Judgements({"1": "other words"}, {"g": "title and text"}, {"1": {"g": 1}})
    rows = table(*ROWS, query_id=["1", "9"], negative_ids=[("g", "x"), ("g",)])
    assert judged_labels(rows, judgements).tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_verdicts_of_a_judge_without_undecided_ones():
    verdicts = DictionaryColumn.of(["false_negative", "undecided", "easy_negative"])
    rows = table(*ROWS, provenance=Provenance(verdicts=verdicts))
    assert verdict_labels(rows).tolist() == pytest.approx([1, np.nan, 0], nan_ok=True)
    assert verdict_labels(table(*ROWS)) is None


def test_answers_in_negatives():
    rows = table(*ROWS, provenance=Provenance(answers=(("Goethe",), ("yes",))))
    # "yes" tells nothing.
    assert answer_labels(rows).tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert answer_labels(table(*ROWS)) is None


def test_a_person_s_labels_by_ids_and_by_texts():
    rows = table(*ROWS, query_id=["1", "2"], negative_ids=[("g", "m"), ("h",)])
    sample = [
        LabelRow("1", "g", "relevant"),
        LabelRow("9", "9", "irrelevant", query="Where is Ulm?", passage="here"),
        LabelRow("1", "m", "unsure"),
    ]
    gold = person_labels(rows, sample)
    assert gold.labels.tolist() == pytest.approx([1, np.nan, 0], nan_ok=True)
    assert gold.matched == 3


def rates(known, rows, languages=("en", "en")):
    return {
        (rate.name, rate.group.dimension, rate.group.value): rate.estimate for rate in rates_of(rows, known, languages)
    }


def test_rates_by_source_language_and_rank():
    found = {"bm25": np.array([1, 0, 12]), "dense": np.array([0, 40, 0])}
    rows = table(*ROWS, provenance=Provenance(found))
    estimates = rates(LabelSources(qrels=np.array([1.0, 0.0, 0.0])), rows, ("en", "de"))
    assert estimates["false_negative_rate", "", ""].rate == pytest.approx(1 / 3)
    assert estimates["false_negative_rate", "", ""].method == "qrels"
    assert estimates["false_negative_rate", "source", "bm25"].rate == 1 / 2
    assert estimates["false_negative_rate", "source", "dense"].rate == 0
    assert estimates["false_negative_rate", "language", "de"].samples == 1
    assert estimates["false_negative_rate", "rank", "1-10"].rate == 1
    assert {value for _, dimension, value in estimates if dimension == "rank"} == {"1-10", "11-30", "31-100"}


def test_verdicts_alone_are_the_judge_s_rate_and_answers_have_a_name_of_their_own():
    known = LabelSources(verdicts=np.array([1.0, 0.0, np.nan]), answers=np.array([1.0, 1.0, 0.0]))
    estimates = rates(known, table(*ROWS))
    assert set(estimates) == {("judge_rate", "", ""), ("answer_rate", "", "")}
    assert estimates["judge_rate", "", ""].rate == 1 / 2
    assert estimates["answer_rate", "", ""].method == "answers"


def test_a_few_labels_correct_the_verdicts():
    rows = table(*[(f"q{n}", ["p"], [f"n{n}"]) for n in range(200)])
    truth = np.arange(200) % 10 == 0
    verdicts = truth | (np.arange(200) % 10 == 5)  # the judge says twice what is so
    gold = person_labels(
        table(*[(f"q{n}", ["p"], [f"n{n}"]) for n in range(200)]),
        [
            LabelRow(f"{n}", "x", "relevant" if truth[n] else "irrelevant", f"q{n}", "", f"n{n}")
            for n in range(0, 200, 3)
        ],
    )
    found = rates(LabelSources(gold=gold, verdicts=verdicts.astype(float)), rows, ["en"] * 200)
    estimate = found["false_negative_rate", "", ""]
    assert (estimate.method, estimate.samples, estimate.gold) == ("corrected", 200, 67)
    assert estimate.low < 0.1 < estimate.high < 0.2
    assert found["judge_rate", "", ""].rate == pytest.approx(0.2)


def test_a_stratified_sample_counts_by_what_it_stands_for():
    rows = table(*[(f"q{n}", ["p"], [f"n{n}"]) for n in range(40)])
    # 20 of 20 labelled in one stratum, all relevant; 20 labels that stand for 180 pairs each, none relevant.
    sample = [
        LabelRow("x", f"{n}", "relevant" if n < 20 else "irrelevant", f"q{n}", "", f"n{n}", stratum=f"s{n // 20}",
                 weight=1.0 if n < 20 else 9.0)
        for n in range(40)
    ]  # fmt: skip
    estimate = rates(LabelSources(gold=person_labels(rows, sample)), rows, ["en"] * 40)["false_negative_rate", "", ""]
    assert (estimate.method, estimate.samples) == ("gold", 40)
    assert estimate.low <= 0.1 + 0.03
    assert estimate.rate == pytest.approx(0.12, abs=0.03)


def test_gates():
    assert parse_gate(" false_negative_rate[source=dense:a b].high >= 5e-2 ") == Gate(
        "false_negative_rate[source=dense:a b].high", ">=", 0.05
    )
    gate = parse_gate("rate > 0.05")
    assert gate.failed({"rate": 0.05}) == ""
    assert gate.failed({"rate": 0.06}) == "rate is 0.06, which is > 0.05"
    with pytest.raises(
        ParameterError, match=r"no figure 'rate' \(did you mean 'rates'\?\); figures of this audit: rates"
    ):
        gate.failed({"rates": 1.0})


@pytest.mark.parametrize("text", ["rate", "rate > ", "> 0.05", "rate = 0.05", "rate > 0.0.5", "__import__('os') > x"])
def test_what_is_no_gate(text):
    with pytest.raises(ParameterError, match="expected NAME OPERATOR NUMBER"):
        parse_gate(text)


def graded(count: int = 40) -> list[tuple]:
    names = ["".join("bdgklmnprst"[(n * p) % 11] + "aeiou"[(n + p) % 5] for p in (1, 3, 5, 7)) for n in range(1, 200)]
    return [
        (f"who built {names[n]}", [f"{names[n]} was built by {names[n + 60]}"], [f"{names[n + 100]} is red", "no"])
        for n in range(count)
    ]


def test_a_positive_that_scores_below_its_negatives_is_found_out_of_fold():
    rows = graded()
    query, (positive,), _ = rows[7]
    rows[7] = (query, ["something else"], [positive, f"{positive} long ago"])
    pairs = Pairs.of(table(*rows))
    finding = positive_finding(pairs, out_of_fold(pairs))
    assert (finding.rows, finding.of) == ((8,), 40)


def test_the_rows_own_scores_tell_hardness():
    rows = table(
        ("q", ["p"], ["a", "b"]),
        ("r", ["s"], ["c"]),
        positive_scores=[(0.5,), (0.9,)],
        negative_scores=[(0.6, 0.1), (0.9,)],
    )
    measure, what = hardness(Pairs.of(rows), None)
    assert what == "the rows' own scores"
    assert (measure.values["negatives"] >= 0).tolist() == [True, False, True]


@pytest.mark.parametrize(("count", "turned"), [(19, False), (20, True)])
def test_rows_whose_scores_are_distances_are_turned_around(count, turned):
    rows = table(
        *[(f"q{number}", [f"p{number}"], [f"a{number}"]) for number in range(count)],
        positive_scores=[(0.2,)] * count,
        negative_scores=[(0.6,)] * count,
    )
    measure, what = hardness(Pairs.of(rows), None)
    assert ("turned around since they are distances" in what) is turned
    assert (measure.values["negatives"] < 0).all() == turned


def test_length_alone():
    rows = table(("q", ["long long"], ["a", "b"]), ("r", ["longer yet"], ["long long"]))
    # Five of six pairs have the longer positive, one is a tie.
    assert length_aucs(rows) == {"": pytest.approx(5.5 / 6)}


def test_rows_to_read_are_half_suspicious_and_the_same_every_time():
    from hardneg_plugin.evaluation.audit.findings import Finding

    rows = table(*[(f"q{n}", ["p"], ["n"]) for n in range(100)])
    finding = Finding("fault", "", "", "error", 30, 100, "rows", tuple(range(1, 31)))
    drawn = sample_examples(rows, [finding], 20, seed=3)
    assert len(drawn) == 20
    assert list(drawn.values())[:10] == [("fault",)] * 10
    assert drawn == sample_examples(rows, [finding], 20, seed=3)
    assert list(drawn) != list(sample_examples(rows, [finding], 20, seed=4))


def test_only_generated_negatives_are_looked_at_for_style():
    rows = [
        (f"q{n}", [f"the {w} of hill {n}"], [f"the {w} is near {n}", f"certainly a delightful {w} awaits {n}"])
        for n in range(60)
        for w in ("river",)
    ]
    found = {"bm25": np.tile([1, 0], 60), "generated:m": np.tile([0, 1], 60)}
    assert {
        source: style.auc > 0.95 for source, style in style_aucs(table(*rows, provenance=Provenance(found))).items()
    } == {"generated:m": True}
