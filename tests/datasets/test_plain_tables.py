"""TSV without quotes, and CSV by other delimiters and in other encodings."""

from __future__ import annotations

import logging

import pytest
from pair_files import pairs, texts

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.problems import RowProblems
from hardneg_plugin.datasets.text_tables import read_csv
from hardneg_plugin.errors import DatasetError

ROWS = [("über Bienen", "Sie tanzen, lange; sehr lange"), ('who said "no"', 'He said: "yes"')]


def loaded(path, options=""):
    return load_dataset(f"csv:{path}{options}")


@pytest.mark.parametrize("cell", ['"Alpha beta', 'gamma"', '"', '""', '"whole"', 'a "b" c', "'", "\\"])
def test_a_plain_tsv_has_no_quotes(tmp_path, cell):
    path = tmp_path / "t.tsv"
    path.write_text(f"query\tpassage\nq one\tp one\nq two\t{cell}\nq three\tp three\n{cell}\tp four\n")
    assert pairs(loaded(path)) == [("q one", "p one"), ("q two", cell), ("q three", "p three"), (cell, "p four")]


def test_a_tsv_with_quotes_says_so(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('query\tpassage\n"a ""b"" c"\t"two\nlines and\ta tab"\n')
    assert pairs(loaded(path, "?quotes=yes")) == [('a "b" c', "two\nlines and\ta tab")]
    assert pairs(loaded(path)) == [('"a ""b"" c"', '"two'), ("lines and", 'a tab"')]
    with pytest.raises(DatasetError, match="quotes must be yes or no, got 'maybe'"):
        loaded(path, "?quotes=maybe")


def test_line_ends_of_windows_and_characters_that_look_like_some(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes("query\tpassage\r\na\u2028b\tp\u0085q\r\nc\td\r\n".encode())
    assert pairs(loaded(path)) == [("a\u2028b", "p\u0085q"), ("c", "d")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_the_delimiter_of_a_csv_is_found(tmp_path, delimiter, ending):
    import csv
    import gzip
    import io

    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("query", "positive"), *ROWS])
    path = tmp_path / f"t.{ending}"
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    assert pairs(loaded(path)) == ROWS


def test_a_delimiter_is_found_by_the_names_of_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("query;a, b, c, d;positive\nwho;x;they\n")
    assert pairs(loaded(path)) == [("who", "they")]
    path.write_text("sep=|\nquery|positive\nwho|they, all; of them\n")
    assert pairs(loaded(path)) == [("who", "they, all; of them")]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("%3B", ";"), ("semicolon", ";"), ("tab", "\t"), ("~", "~"), ("pipe", "|")]
)
def test_a_delimiter_is_named(tmp_path, name, delimiter):
    path = tmp_path / "t.csv"
    path.write_text(delimiter.join(["query", "positive"]) + "\n" + delimiter.join(["who", "they"]) + "\n")
    assert pairs(loaded(path, f"?delimiter={name}")) == [("who", "they")]
    with pytest.raises(DatasetError, match="delimiter must be one character, or tab, comma, semicolon, pipe; got 'ab'"):
        loaded(path, "?delimiter=ab")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_the_encoding_is_found(tmp_path, encoding, ending):
    import json

    rows = [("über Bienen", "Sie tanzen überall"), ("서울", "서울은 크다")]
    path = tmp_path / f"t.{ending}"
    if ending == "jsonl":
        lines = [json.dumps({"query": q, "positive": p}, ensure_ascii=False) for q, p in rows]
    else:
        lines = [("\t" if ending == "tsv" else ",").join(row) for row in [("query", "positive"), *rows]]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    kind = "jsonl" if ending == "jsonl" else "csv"
    assert pairs(load_dataset(f"{kind}:{path}")) == rows


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_an_encoding_is_named_and_asked_for(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    sep = "\t" if ending == "tsv" else ","
    text = '{"query": "Bäume", "positive": "grün"}\n' if ending == "jsonl" else f"query{sep}positive\nBäume{sep}grün\n"
    path.write_bytes(text.encode("cp1252"))
    kind = "jsonl" if ending == "jsonl" else "csv"
    with pytest.raises(DatasetError, match=r"not UTF-8.*\?encoding=cp1252|no readable row"):
        pairs(load_dataset(f"{kind}:{path}"))
    assert pairs(load_dataset(f"{kind}:{path}?encoding=cp1252")) == [("Bäume", "grün")]
    with pytest.raises(DatasetError, match="unknown encoding 'klingon'"):
        load_dataset(f"{kind}:{path}?encoding=klingon")


def test_half_a_character_of_utf_16_is_an_error_with_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("query,positive\nwho,they\n".encode("utf-16") + b"x")
    with pytest.raises(DatasetError, match=r"t\.csv: not utf-16"):
        pairs(loaded(path))


def test_a_table_without_a_header(tmp_path):
    path = tmp_path / "triples.train.small.tsv"
    path.write_text('is it "so\tit is so\tit is not\nis it\t"yes\tno\n')
    dataset = loaded(path, "?header=no")
    assert pairs(dataset) == [('is it "so', "it is so"), ("is it", '"yes')]
    assert texts(dataset) == ["it is so", "it is not", '"yes', "no"]


def test_options_of_text_are_for_text(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"query": "a", "positive": "b"}\n')
    with pytest.raises(DatasetError, match="unknown column role delimiter"):
        load_dataset(f"jsonl:{tmp_path / 't.jsonl'}?delimiter=tab")


def test_the_collections_of_ms_marco_are_read_whole(tmp_path, caplog):
    from hardneg_plugin.datasets.memory import from_judgements

    (tmp_path / "collection.tsv").write_text('0\tThe presence of "x\n1\t"Alpha" is first\n2\t"\n')
    (tmp_path / "queries.train.tsv").write_text('10\twhat is "alpha\n11\t"presence\n')
    (tmp_path / "qrels.train.tsv").write_text("10\t0\t1\t1\n11\t0\t0\t1\n")
    files = [str(tmp_path / name) for name in ("queries.train.tsv", "collection.tsv", "qrels.train.tsv")]
    with caplog.at_level(logging.WARNING):
        dataset = from_judgements(*files, "error")
        assert pairs(dataset) == [('what is "alpha', '"Alpha" is first'), ('"presence', 'The presence of "x')]
    assert texts(dataset) == ['The presence of "x', '"Alpha" is first', '"']
    assert sum("no header" in record.getMessage() for record in caplog.records) == 2


def test_a_recipe_takes_further_passages_beside_it(tmp_path):
    from hardneg_plugin.recipe.load import load_recipe

    (tmp_path / "pairs.tsv").write_text("query\tpassage\na\tone\n")
    (tmp_path / "more.txt").write_text("two\none\nthree\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\ndata: {dataset: 'csv:pairs.tsv', corpus: more.txt}\nmine: [{bm25: {}}]\ntrain: null\n")
    spec = load_recipe(recipe).data.spec
    assert texts(load_dataset(spec)) == ["one", "two", "three"]
    assert load_dataset(spec).sources == load_dataset(f"csv:{tmp_path / 'pairs.tsv'}").sources


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_row_that_is_too_long_keeps_its_place(tmp_path, ending):
    mark = {"csv": ",", "tsv": "\t"}[ending]
    lines = [["query", "positive"], ["a", "x" * 500], ["b", "two"], ["c"]]
    path = tmp_path / f"t.{ending}"
    path.write_text("".join(mark.join(cells) + "\n" for cells in lines))
    problems = RowProblems("skip", max_row_bytes=100)
    assert list(read_csv(path, "corpus", problems)) == [(3, {"query": "b", "positive": "two"})]
    assert [found.split(": ")[0] for found in problems.examples["corpus"]] == [f"{path}:2", f"{path}:4"]


def test_a_header_that_is_too_long_is_an_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"query,positive,{'x' * 500}\na,b,c\nd,e,f\n")
    with pytest.raises(DatasetError, match=r"t\.csv:1: the header is longer than max_row_bytes"):
        list(read_csv(path, "corpus", RowProblems("skip", max_row_bytes=100)))


def test_a_codec_that_is_none_of_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("query,positive\na,b\n")
    with pytest.raises(DatasetError, match="unknown encoding 'hex'"):
        load_dataset(f"csv:{tmp_path / 't.csv'}?encoding=hex")
