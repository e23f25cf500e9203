from __future__ import annotations

import gzip
import json

import pytest

from hardneg_plugin.datasets import Query, load_dataset
from hardneg_plugin.errors import DatasetError


def load(folder, **options):
    spec = f"beir:{folder}"
    return load_dataset(
        spec + "?" + "&".join(f"{name}={value}" for name, value in options.items()) if options else spec
    )


def test_reads_corpus_queries_and_judgements(tiny_beir):
    dataset = load(tiny_beir)
    assert dataset.name == "tiny"
    assert dataset.splits == ("test", "train")
    assert len(dataset.corpus) == 12
    assert dataset.languages == ("ar", "en", "ko")
    row = dataset.corpus.rows_of(["p4"])[0]
    assert dataset.corpus.text(row) == "Bees A hive holds one queen."
    assert dataset.corpus.language(row) == "en"
    assert dataset.qrels("train") == {"q1": {"p1": 1}, "q2": {"p2": 1}, "q3": {"k1": 1}}
    assert dataset.qrels("test") == {"q4": {"a2": 2}, "q5": {"p5": 2, "a1": 1, "p3": 0}}
    assert [query.id for query in dataset.queries("train")] == ["q1", "q2", "q3"]
    assert dataset.queries("train")[2] == Query("q3", "한강은 어디로 흐르나", "ko", ("서해",), 3)
    assert dataset.left_out == {}


def test_a_split_that_is_not_there(tiny_beir):
    with pytest.raises(DatasetError, match="no split 'dev'; splits: test, train"):
        load(tiny_beir).qrels("dev")


def test_default_language_fills_what_rows_lack(make_beir):
    folder = make_beir(
        passages=[{"_id": "p1", "text": "a"}, {"_id": "p2", "text": "b", "metadata": {"language": "sw"}}],
        queries=[{"_id": "q1", "text": "c"}, {"_id": "q2", "text": "d", "metadata": {"language": "sw"}}],
        qrels={"test": [("q1", "p1", 1), ("q2", "p2", 1)]},
    )
    dataset = load(folder, default_language="fi")
    assert [dataset.corpus.language(row) for row in (0, 1)] == ["fi", "sw"]
    assert [query.language for query in dataset.queries("test")] == ["fi", "sw"]
    assert [query.language for query in load(folder).queries("test")] == ["", "sw"]


def test_answers_may_be_a_string_and_are_never_taken_apart(make_beir):
    queries = [
        {"_id": "q1", "text": "c", "metadata": {"answers": "Paris"}},
        {"_id": "q2", "text": "d", "metadata": {"answers": ["Rome", "Rome", "Roma", " "]}},
        {"_id": "q3", "text": "e", "metadata": {"answers": None}},
    ]
    folder = make_beir(queries=queries, qrels={"test": [(f"q{number}", "p1", 1) for number in (1, 2, 3)]})
    assert [query.answers for query in load(folder).queries("test")] == [("Paris",), ("Rome", "Roma"), ()]


def test_ids_may_be_whole_numbers(make_beir):
    folder = make_beir(
        passages=[{"_id": 7, "text": "a"}], queries=[{"_id": 3, "text": "b"}], qrels={"test": [(3, 7, 1)]}
    )
    assert load(folder).qrels("test") == {"3": {"7": 1}}


def test_a_title_alone_is_a_text(make_beir):
    folder = make_beir(passages=[{"_id": "p1", "title": "Bees", "text": ""}], qrels={"test": [("q1", "p1", 1)]})
    assert load(folder).corpus.text(0).strip() == "Bees"


@pytest.mark.parametrize("text", ["NULL", "NA", "nan", "None", "null", "0"])
def test_words_that_look_like_nothing_are_texts(make_beir, text):
    folder = make_beir(passages=[{"_id": "p1", "text": text}], qrels={"test": [("q1", "p1", 1)]})
    assert load(folder).corpus.texts([0]) == [text]


def test_byte_order_mark_carriage_returns_and_blank_lines(tiny_beir):
    for path in (tiny_beir / "corpus.jsonl", tiny_beir / "queries.jsonl", tiny_beir / "qrels" / "test.tsv"):
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*lines[:2], b"", b"  ", *lines[2:]]) + b"\r\n\r\n")
    dataset = load(tiny_beir)
    assert len(dataset.corpus) == 12
    assert dataset.corpus.ids([0]) == ["p1"]
    assert dataset.qrels("test") == {"q4": {"a2": 2}, "q5": {"p5": 2, "a1": 1, "p3": 0}}
    assert len(dataset.queries("train")) == 3


def test_line_separators_inside_a_text_do_not_end_a_line(make_beir):
    text = "one\u2028two\u2029three\x85four\x0bfive\x0csix\x1eseven"
    folder = make_beir(passages=[{"_id": "p1", "text": text}], qrels={"test": [("q1", "p1", 1)]})
    assert "\u2028" in (folder / "corpus.jsonl").read_text("utf-8")
    assert load(folder).corpus.text(0) == text


def test_gzipped_files(tiny_beir):
    plain = load(tiny_beir)
    key, qrels = plain.corpus.key, plain.qrels("train")
    for path in (tiny_beir / "corpus.jsonl", tiny_beir / "queries.jsonl", tiny_beir / "qrels" / "train.tsv"):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = load(tiny_beir)
    assert packed.splits == ("test", "train")
    assert packed.corpus.key == key
    assert packed.qrels("train") == qrels


def test_a_plain_file_goes_before_its_gzipped_copy(tiny_beir):
    (tiny_beir / "corpus.jsonl.gz").write_bytes(b"not even gzip")
    (tiny_beir / "qrels" / "train.tsv.gz").write_bytes(b"not even gzip")
    assert load(tiny_beir).qrels("train")["q1"] == {"p1": 1}


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named(tiny_beir, name):
    (tiny_beir / name).unlink()
    with pytest.raises(DatasetError, match=rf"tiny/{name} \(or {name}\.gz\) is missing"):
        load(tiny_beir)


def test_missing_folder_and_judgements_are_named(tiny_beir):
    with pytest.raises(DatasetError, match=r"nowhere: no such folder; expected one with corpus\.jsonl"):
        load(tiny_beir / "nowhere")
    for path in (tiny_beir / "qrels").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"qrels has no <split>\.tsv"):
        load(tiny_beir)


def test_judgements_without_a_header(tiny_beir):
    (tiny_beir / "qrels" / "test.tsv").write_text("q4\ta2\t1\n")
    assert load(tiny_beir).qrels("test") == {"q4": {"a2": 1}}


def test_the_same_judgement_twice_is_one(tiny_beir):
    with (tiny_beir / "qrels" / "train.tsv").open("a") as file:
        file.write("q1\tp1\t1\n")
    assert load(tiny_beir).qrels("train")["q1"] == {"p1": 1}


def test_fingerprint_changes_with_content_alone(tiny_beir):
    before = load(tiny_beir).fingerprint("train")
    (tiny_beir / "corpus.jsonl").touch()
    assert load(tiny_beir).fingerprint("train") == before
    assert load(tiny_beir).fingerprint("test") != before
    with (tiny_beir / "qrels" / "train.tsv").open("a") as file:
        file.write("q1\tp3\t0\n")
    judged = load(tiny_beir).fingerprint("train")
    assert judged != before
    with (tiny_beir / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "new", "text": "more"}) + "\n")
    assert load(tiny_beir).fingerprint("train") not in (before, judged)
