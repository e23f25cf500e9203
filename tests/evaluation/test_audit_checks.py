"""Each check of an audit: what it must report, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest
from audit_rows import by_name, table

from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.evaluation.audit.broken import broken_findings
from hardneg_plugin.evaluation.audit.conflicts import conflict_finding, find_conflicts
from hardneg_plugin.evaluation.audit.copies import copy_findings
from hardneg_plugin.evaluation.audit.coverage import coverage_findings
from hardneg_plugin.evaluation.audit.languages import LATIN, NONE, Languages, language_findings, text_language
from hardneg_plugin.evaluation.audit.leaks import leakage_findings
from hardneg_plugin.evaluation.audit.swapped import swapped_findings
from hardneg_plugin.evaluation.audit.table import AuditTable, Provenance

LONG = "The longest river of the continent rises in the mountains of the south and flows north into the sea."


def test_a_positive_and_the_query_among_the_negatives_whatever_their_case_and_punctuation():
    found = by_name(
        copy_findings(
            table(
                ("who wrote Faust", ["Goethe wrote it."], ["Mann wrote it.", "GOETHE wrote it!"]),
                ("who wrote Werther", ["Goethe did."], ["Who wrote  Werther?", "Mann did."]),
                ("???", ["!!!"], ["..."]),
            )
        )
    )
    assert (found["positive_as_negative"].rows, found["positive_as_negative"].count) == ((1,), 1)
    assert found["positive_as_negative"].of == 5
    assert found["positive_as_negative"].details == ("row 1, negative 2: GOETHE wrote it!",)
    assert found["query_as_negative"].rows == (2,)
    assert found["query_as_positive"].rows == ()


def test_a_positive_of_the_same_query_in_another_row():
    rows = [("who wrote Faust", ["Goethe."], ["Mann."]), ("Who wrote Faust?", ["Johann Wolfgang."], ["Goethe"])]
    found = by_name(copy_findings(table(*rows, ("who wrote Emma", ["Austen."], ["Goethe."]))))
    assert found["positive_elsewhere"].rows == (2,)
    assert found["positive_as_negative"].rows == ()


def test_near_copies_are_compared_with_the_positives_of_all_rows_of_the_query():
    near = LONG.replace("south", "souths")
    found = by_name(
        copy_findings(
            table(
                ("longest river", [LONG], ["Bees dance."]),
                ("longest river", ["The Amazon."], [near]),
                ("other question", ["The Nile."], [near]),
            )
        )
    )
    assert found["near_copy_of_positive"].rows == (2,)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("The record low is -21 °C in Falun.", "The record low is 21 °C in Falun."),
        ("SELECT * FROM users WHERE age", "SELECT FROM users WHERE age"),
        ("the only solution is y = -4", "the only solution is y = 4"),
        ("a tax of 19% on every book", "a tax of 19 on every book"),
        ("x lies in the interval [0, 1)", "x lies in the interval (0, 1]"),
        ("Fixed in release v2.1 of the tool", "Fixed in release v2.10 of the tool"),
    ],
)
def test_what_differs_in_what_matters_is_no_copy(positive, negative):
    found = by_name(copy_findings(table(("q", [positive], [negative, positive.upper()]))))
    assert (found["positive_as_negative"].count, found["near_copy_of_positive"].count) == (1, 0)


def test_another_answer_in_the_answer_s_place_is_no_copy():
    text = "The capital of the region of Liguria in the north of Italy is {}."
    rows = [("capital of Liguria", [text.format("Genoa")], [text.format("Parma"), text.format("Genoa,  old")])]
    found = by_name(copy_findings(table(*rows, provenance=Provenance(answers=(("Genoa",),)))))
    assert found["near_copy_of_positive"].count == 1
    assert by_name(copy_findings(table(*rows)))["near_copy_of_positive"].count == 2


def test_repeated_negatives_and_rows():
    found = by_name(
        copy_findings(
            table(
                ("a b", ["p q"], ["n m", "o r"]),
                ("A b", ["p q!"], ["o r", "n m"]),
                ("a b", ["p q"], ["n m", "n m."]),
                ("a b", ["n m"], ["p q", "o r"]),
            )
        )
    )
    assert found["repeated_negatives"].rows == (3,)
    assert found["duplicate_rows"].rows == (2,)
    assert found["duplicate_rows"].details == ("row 2 repeats row 1",)


def test_texts_that_are_none():
    rows = table(("q a", ["p"], [" … ", "n"]), ("q b", ["schÃ¶n und gut"], ["n\x00"]), ("q c", [], ["straße"]))
    found = by_name(broken_findings(rows))
    assert found["empty_texts"].rows == (1,)
    assert found["empty_texts"].of == 9
    assert found["broken_texts"].rows == (2,)
    assert found["broken_texts"].count == 2
    assert found["rows_without_positive"].rows == (3,)


def test_rows_that_could_not_be_read_are_reported():
    read = TrainingRows.of([TrainingRow(1, "q", ("p",), ("n",))], "triplet", "a.jsonl")
    rows = TrainingRows(read.table, read.format, read.where, ("a.jsonl:2: no positive",))
    found = by_name(broken_findings(AuditTable.of(rows)))["unreadable_rows"]
    assert (found.count, found.of, found.details) == (1, 2, ("a.jsonl:2: no positive",))


def test_queries_with_few_negatives_count_different_ones_over_all_rows():
    rows = [("a", ["p"], ["1", "2"]), ("A!", ["p"], ["2.", "3"]), ("b", ["p"], ["1"]), ("c", ["p"], [])]
    found = by_name(coverage_findings(table(*rows), fewest=2))
    assert (found["queries_with_few_negatives"].rows, found["queries_without_negatives"].rows) == ((3,), (4,))
    assert found["queries_with_few_negatives"].of == 3


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("한강은 서울을 지나 서해로 흐른다.", "ko"),
        ("Der Fluss ist der längste von allen und wird von den Bergen im Süden mit Wasser versorgt.", "de"),
        ("Faust", LATIN),
        ("1832 – 12", NONE),
    ],
)
def test_the_language_of_a_text(text, language):
    assert text_language(text) == language


GERMAN = "Der Fluss ist der längste von allen und wird von den Bergen im Süden mit Wasser versorgt."


def test_texts_in_another_language_than_their_query():
    sound = [("longest river", [LONG], ["The Nile flows north.", "12"])] * 20
    rows = [
        ("longest river", [LONG], ["한강은 서울을 지나 서해로 흐른다."]),
        ("longest river", [LONG], [GERMAN]),
        ("한강은 어디로 흐르나", [LONG], ["iPhone 가격은 얼마인가"]),
    ]
    found = by_name(language_findings(Languages(table(*sound, *rows))))
    assert found["language_of_negatives"].rows == (21, 22)
    assert found["language_of_negatives"].severity == "warning"
    assert found["language_of_positives"].rows == (23,)
    assert found["language_of_queries"].of == 0


def test_japanese_in_han_alone_is_no_fault_where_the_row_says_japanese():
    rows = table(("東京大学設立年", ["東京大学は1877年に設立された。"], ["大阪は大きな都市である。"]), language=["ja"])
    assert all(not finding.count for finding in language_findings(Languages(rows)))


@pytest.mark.parametrize(
    ("query", "language"), [("한강은 어디로 흐르나", ""), ("川はどこへ流れますか", ""), ("東京", "ja")]
)
def test_whole_sentences_in_han_are_neither_korean_nor_japanese(query, language):
    chinese = "长江是亚洲第一长河和世界第三长河也是世界上完全在一国境内的最长河流"
    rows = table((query, [query], ["東京大学", chinese]), language=[language])
    found = by_name(language_findings(Languages(rows)))["language_of_negatives"]
    assert (found.count, found.details[0].split(": ")[-1]) == (1, chinese)


def test_negatives_in_other_languages_alone_are_no_purpose():
    rows = table(*[("longest river", [LONG], ["한강은 서울을 지나 서해로 흐른다."])] * 3)
    found = by_name(language_findings(Languages(rows)))["language_of_negatives"]
    assert (found.severity, found.count) == ("warning", 3)


def test_languages_that_are_mixed_on_purpose_are_a_note():
    rows = table(*[("longest river", ["한강은 서울을 지나 서해로 흐른다."], [LONG])] * 3)
    assert by_name(language_findings(Languages(rows)))["language_of_positives"].severity == "note"


def sound_rows(count: int = 60) -> list[tuple]:
    return [
        (f"what is thing number {n}?", [f"Thing number {n} is a thing. {LONG}"], [f"Number {n + 1} is not. {LONG}"])
        for n in range(count)
    ]


def test_swapped_rows():
    rows = sound_rows()
    query, (positive,), negatives = rows[40]
    rows[40] = (positive, [query], negatives)
    found = by_name(swapped_findings(Languages(table(*rows))))
    assert (found["swapped_rows"].rows, found["swapped_columns"].count) == ((41,), 0)


def test_swapped_columns():
    found = by_name(swapped_findings(Languages(table(*[(p, [q], n) for q, (p,), n in sound_rows()]))))
    assert (found["swapped_columns"].count, found["swapped_rows"].count) == (1, 0)


def test_pairs_of_duplicate_questions_are_not_swapped():
    rows = [(f"what is thing {n}?", [f"what might thing {n} be?"], [f"where is thing {n}?"]) for n in range(60)]
    rows += [(positive, [query], negatives) for query, (positive,), negatives in rows]
    assert all(not finding.count for finding in swapped_findings(Languages(table(*rows))))


def test_leakage_names_rows_and_counts_texts_of_the_test():
    rows = table(
        ("Who wrote Faust", [LONG], ["Bees dance."]),
        ("who wrote Emma", [LONG.replace("north", "norths")], ["Honey."]),
        ("who wrote It", ["King."], [LONG]),
    )
    found = by_name(leakage_findings(rows, ["who wrote Faust?", "where is Ulm"], [LONG]))
    assert found["test_queries_in_training"].rows == (1,)
    assert (found["test_queries_in_training"].count, found["test_queries_in_training"].of) == (1, 2)
    assert found["test_positives_in_training"].rows == (1, 2)
    assert found["test_positives_as_negatives"].rows == (3,)


def brute_conflicts(rows: list[tuple]) -> set[tuple[int, int]]:
    own = [{query, *positives} for query, positives, _ in rows]
    every = [mine | set(negatives) for mine, (_, _, negatives) in zip(own, rows, strict=True)]
    return {(i, j) for i in range(len(rows)) for j in range(i + 1, len(rows)) if own[i] & every[j] or own[j] & every[i]}


def test_conflicts_are_those_of_comparing_all_pairs():
    random = np.random.default_rng(1)
    rows = [
        (f"q{random.integers(30)}", [f"p{random.integers(25)}"], [f"p{n}" for n in random.integers(60, size=3)])
        for _ in range(50)
    ]
    expected = brute_conflicts(rows)
    found = find_conflicts(table(*rows))
    assert (found.pairs, found.exact) == (len(expected), True)
    assert set(np.flatnonzero(found.rows).tolist()) == {row for pair in expected for row in pair}


def test_expected_conflicts_of_a_batch():
    rows = table(("a", ["p"], ["x"]), ("b", ["p"], ["x"]), ("c", ["r"], ["x"]), ("d", ["s"], ["x"]))
    found = find_conflicts(rows)
    # One pair of six conflicts; a random pair of four rows is that one with probability 1/6.
    assert found.pairs == 1
    assert found.per_batch(2) == pytest.approx(1 / 6)
    assert found.per_batch(100) == pytest.approx(1)
    assert conflict_finding(rows, found, 2).rows == (1, 2)


def test_a_row_with_other_numbers_of_scores_than_passages_is_refused():
    with pytest.raises(DatasetError, match="rows:1: negative_scores has 1 values for 2 passages"):
        table(("q", ["p"], ["a", "b"]), negative_scores=[(0.5,)])


def test_no_rows_are_refused():
    with pytest.raises(DatasetError, match="no row to audit"):
        table()


def test_what_a_language_model_says_before_its_passages():
    rows = table(("q a", ["p"], ["Here are three hard negatives:", "Honey bees dance."]), ("q b", ["p"], ["n m"]))
    assert by_name(broken_findings(rows))["machine_talk"].rows == (1,)
