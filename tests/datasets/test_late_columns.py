"""What only a later row of JSON lines has is read, or that row is an error; rows of one query are one query."""

from __future__ import annotations

import json

import pytest
from pair_files import load, pairs, texts, write

from hardneg_plugin.datasets.formats import read_training_rows
from hardneg_plugin.errors import DatasetError


def many(count, **late):
    rows = [{"anchor": f"q{number}", "positive": f"p{number}"} for number in range(count)]
    rows[-1].update(late)
    return rows


@pytest.mark.parametrize("count", [1, 100, 101, 150])
def test_negatives_that_come_late_are_passages(tmp_path, count):
    path = write(tmp_path / "t.jsonl", many(count, negative_1="late one", negative_2="late two"))
    assert texts(load(path))[-2:] == ["late one", "late two"]


def test_answers_and_languages_that_come_late_are_read(tmp_path):
    rows = many(120, answers=["forty-two"], language="en")
    dataset = load(write(tmp_path / "t.jsonl", rows))
    last = dataset.queries("train")[-1]
    assert (last.text, last.answers, last.language) == ("q119", ("forty-two",), "en")


@pytest.mark.parametrize("late", [{"query": "another"}, {"pos": "another"}, {"negatives": ["n"], "negative_1": "m"}])
def test_a_late_column_that_could_be_what_another_is_makes_its_row_an_error(tmp_path, late):
    path = write(tmp_path / "t.jsonl", [*many(120, **late), {"anchor": "after", "positive": "that"}])
    with pytest.raises(DatasetError, match=r"t\.jsonl:120: a column that no row before had.*several columns"):
        pairs(load(path))
    dataset = load(path, "?on_bad_row=skip")
    assert pairs(dataset)[-1] == ("after", "that")
    assert len(pairs(dataset)) == 120
    assert dataset.left_out == {"corpus": {"late column": 1}}


def test_columns_that_nobody_reads_may_come_at_any_time(tmp_path):
    dataset = load(write(tmp_path / "t.jsonl", many(120, note="by hand")))
    assert len(pairs(dataset)) == 120
    assert dataset.left_out == {}


def test_training_rows_keep_what_comes_late(tmp_path):
    rows = [{"anchor": f"q{n}", "positive": f"p{n}", "negative_1": f"n{n}"} for n in range(130)]
    rows[110]["negative_2"] = "LATE"
    rows[120] |= {"negative_2": "as well", "language": "de", "anchor_id": "id 120"}
    found = list(read_training_rows(write(tmp_path / "t.jsonl", rows)))
    assert found[109].negatives == ("n109",)
    assert found[110].negatives == ("n110", "LATE")
    assert (found[120].negatives, found[120].language, found[120].query_id) == (("n120", "as well"), "de", "id 120")


def test_a_late_column_that_changes_the_format_is_an_error(tmp_path):
    rows = [{"anchor": f"q{n}", "positive": f"p{n}", "negative_1": f"n{n}"} for n in range(120)]
    rows[115]["question"] = "another"
    path = write(tmp_path / "t.jsonl", rows)
    with pytest.raises(DatasetError, match=r"t\.jsonl:116: .*'question'"):
        read_training_rows(path)
    skipped = read_training_rows(path, on_bad_row="skip")
    assert len(skipped) == 119
    assert len(skipped.faults) == 1


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_rows_of_one_query_give_it_all_their_answers(tmp_path, ending):
    rows = [
        {"anchor": "who", "positive": "Goethe did", "answers": ["Goethe"], "language": None},
        {"anchor": "when", "positive": "In 1808", "answers": [], "language": "en"},
        {"anchor": "who", "positive": "Schiller did", "answers": ["Schiller", "Goethe"], "language": "de"},
        {"anchor": "who", "positive": "Goethe did", "answers": None, "language": "fr"},
    ]
    dataset = load(write(tmp_path / f"t.{ending}", rows))
    who, when = dataset.queries("train")
    assert (who.text, who.answers, who.language) == ("who", ("Goethe", "Schiller"), "de")
    assert (when.text, when.answers, when.language) == ("when", (), "en")


def test_rows_of_one_query_in_two_files_give_it_all_their_answers(tmp_path):
    for split, answer in (("train", "Goethe"), ("test", "Schiller")):
        write(tmp_path / "d" / f"{split}.jsonl", [{"anchor": "who", "positive": f"{answer} did", "answers": answer}])
    (tmp_path / "t.jsonl").write_text("")
    from hardneg_plugin.datasets import load_dataset

    dataset = load_dataset(f"jsonl:{tmp_path / 'd'}")
    assert set(dataset.queries("test")[0].answers) == {"Goethe", "Schiller"}


def test_a_passage_has_the_language_of_the_first_row_that_knows_it(tmp_path):
    rows = [
        {"query": "a", "positive": "eins", "lang": ""},
        {"query": "b", "positive": "eins", "lang": "de"},
        {"query": "c", "positive": "one", "lang": "en"},
    ]
    corpus = load(write(tmp_path / "t.jsonl", rows)).corpus
    assert [corpus.language(row) for row in range(2)] == ["de", "en"]


def test_a_title_that_comes_late_in_a_corpus_is_read(tmp_path):
    path = write(tmp_path / "t.jsonl", many(2))
    lines = [{"text": "no title"}, {"text": "bees dance", "title": "Bees"}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert texts(load(path, f"?corpus={tmp_path / 'c.jsonl'}"))[-2:] == ["no title", "Bees bees dance"]
