from __future__ import annotations

import gzip
import json

import pytest
from pair_files import load, pairs, texts, write

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.datasets.tabular import text_id
from hardneg_plugin.errors import DatasetError

PAIRS = [
    {"anchor": "who dances?", "positive": "Bees dance."},
    {"anchor": "누가 춤추나?", "positive": "꿀벌이 춤춘다."},
    {"anchor": "who dances?", "positive": "Cranes dance too."},
]


def test_pairs(tmp_path, ending):
    dataset = load(write(tmp_path / f"pairs.{ending}", PAIRS))
    assert dataset.name == "pairs"
    assert dataset.splits == ("train",)
    assert texts(dataset) == ["Bees dance.", "꿀벌이 춤춘다.", "Cranes dance too."]
    assert pairs(dataset) == [
        ("who dances?", "Bees dance."),
        ("who dances?", "Cranes dance too."),
        ("누가 춤추나?", "꿀벌이 춤춘다."),
    ]
    assert dataset.left_out == {}


def test_triplets_and_the_same_text_is_one_passage(tmp_path, ending):
    rows = [
        {"query": "a", "pos": "one", "neg": "two"},
        {"query": "b", "pos": "two", "neg": "three"},
        {"query": "a", "pos": "one", "neg": "three"},
    ]
    dataset = load(write(tmp_path / f"t.{ending}", rows))
    assert texts(dataset) == ["one", "two", "three"]
    assert pairs(dataset) == [("a", "one"), ("b", "two")]
    assert dataset.corpus.rows_of([text_id("p", "two")]).tolist() == [1]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lists_of_positives_and_negatives(tmp_path, ending):
    rows = [
        {"anchor": "a", "positive": ["one", "two"], "negative": ["three", "four"]},
        {"anchor": "b", "positive": ["three"], "negative": []},
    ]
    dataset = load(write(tmp_path / f"t.{ending}", rows))
    assert texts(dataset) == ["one", "two", "three", "four"]
    assert pairs(dataset) == [("a", "one"), ("a", "two"), ("b", "three")]


def test_a_folder_with_a_file_a_split(tmp_path, ending):
    write(tmp_path / "my.data" / f"train.{ending}", PAIRS[:1])
    write(tmp_path / "my.data" / f"test.{ending}", PAIRS[1:])
    (tmp_path / "my.data" / "README.md").write_text("not a split")
    kind = "csv" if ending == "tsv" else ending
    dataset = load_dataset(f"{kind}:{tmp_path / 'my.data'}")
    assert dataset.name == "my.data"
    assert dataset.splits == ("test", "train")
    assert pairs(dataset) == [("who dances?", "Bees dance.")]
    assert len(pairs(dataset, "test")) == 2
    assert len(dataset.corpus) == 3


def test_two_files_of_one_split_are_an_error(tmp_path):
    write(tmp_path / "d" / "train.csv", PAIRS)
    write(tmp_path / "d" / "train.tsv", PAIRS)
    with pytest.raises(DatasetError, match=r"split 'train' has two files, train\.csv and train\.tsv"):
        load_dataset(f"csv:{tmp_path / 'd'}")


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("nowhere.jsonl", "empty"):
        with pytest.raises(DatasetError, match=rf"{name}: no such file, nor a folder with files that end in \.jsonl"):
            load_dataset(f"jsonl:{tmp_path / name}")


@pytest.mark.parametrize("text", ["NULL", "NA", "nan", "None", "N/A", "-", "0", "1e5"])
def test_words_that_look_like_nothing_are_texts(tmp_path, ending, text):
    path = write(tmp_path / f"t.{ending}", [{"anchor": text, "positive": text}])
    assert pairs(load(path)) == [(text, text)]


def test_byte_order_mark_carriage_returns_and_gzip(tmp_path):
    content = b"\xef\xbb\xbfanchor,positive\r\na,one\r\n\r\nb,two\r\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content))
    dataset = load_dataset(f"csv:{tmp_path / 't.csv.gz'}")
    assert dataset.name == "t"
    assert pairs(dataset) == [("a", "one"), ("b", "two")]


def test_cells_with_commas_quotes_line_breaks_and_great_length(tmp_path):
    text = 'he said "a, b"\nand\r\nleft ' + "x" * 99_000
    path = write(tmp_path / "t.csv", [{"anchor": "a", "positive": text}, {"anchor": "b", "positive": "c"}])
    assert pairs(load(path)) == [("a", text), ("b", "c")]


def test_columns_that_the_first_row_lacks(tmp_path):
    rows = [{"anchor": "a", "positive": "one"}, {"anchor": "b", "positive": "two", "negative": "three"}]
    dataset = load(write(tmp_path / "t.jsonl", rows))
    assert texts(dataset) == ["one", "two", "three"]


# Row, kind, message; the sound row before it is in line 1 (2 in a table with a header).
BAD = {
    "empty positive": ({"anchor": "b", "positive": " "}, "empty text", "column 'positive', got an empty text"),
    "no positive": ({"anchor": "b", "positive": None}, "no text", "column 'positive', got None"),
    "no positives in the list": ({"anchor": "b", "positive": []}, "no text", r"column 'positive', got \[\]"),
    "positive a number": ({"anchor": "b", "positive": 5}, "no text", "column 'positive', got 5"),
    "positive in an object": ({"anchor": "b", "positive": [{"text": "t"}]}, "no text", r"got \{'text': 't'\}"),
    "broken character": ({"anchor": "b", "positive": "\0"}, "broken character", "NUL byte at character 0"),
    "negative a number": ({"anchor": "b", "positive": "one", "negative": 5}, "no text", "column 'negative', got 5"),
}


@pytest.fixture(params=BAD.values(), ids=BAD)
def bad(request, tmp_path):
    row, kind, message = request.param
    sound = {"anchor": "a", "positive": "one", "negative": "two"}
    return write(tmp_path / "d" / "train.jsonl", [sound, row]), kind, message


def test_bad_passages_are_errors_with_their_file_and_line(bad):
    path, _, message = bad
    with pytest.raises(DatasetError, match=rf"d/train\.jsonl:2: .*{message}"):
        _ = load_dataset(f"jsonl:{path.parent}").corpus


def test_bad_passages_are_skipped_and_counted(bad):
    path, kind, _ = bad
    dataset = load_dataset(f"jsonl:{path.parent}?on_bad_row=skip")
    assert pairs(dataset) == [("a", "one")]
    assert texts(dataset) == ["one", "two"]
    assert dataset.left_out == {"corpus": {kind: 1}}


def test_a_bad_row_is_counted_once_and_gives_no_text(tmp_path):
    sound = {"anchor": "a", "positive": "one"}
    bad = {"anchor": "b", "positive": ["two", "three\0"], "negative": "four"}
    lines = [json.dumps(row) for row in (sound, bad, bad, {"anchor": "b" * 2, "positive": "five" * 50})]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join([*lines, "nonsense"]))
    expected = {"corpus": {"broken JSON": 1, "broken character": 2, "too long": 1}}
    # Once read from the file, then from the cache.
    for _ in range(2):
        dataset = load_dataset(f"jsonl:{path}?on_bad_row=skip&max_text_chars=199")
        assert pairs(dataset) == [("a", "one")]
        assert texts(dataset) == ["one"]
        assert dataset.left_out == expected
        assert len(dataset.left_out_examples) == 4
    with pytest.raises(DatasetError, match=r"t\.jsonl:2: column 'positive': the text has a NUL byte at character 5"):
        load_dataset(f"jsonl:{path}").qrels("train")


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ({"anchor": "", "positive": "two"}, "empty text", "column 'anchor', got an empty text"),
        ({"positive": "two"}, "no text", "column 'anchor', got None"),
        ({"anchor": ["b", 3], "positive": "two"}, "no text", "column 'anchor', got 3"),
        ({"anchor": "\ud800", "positive": "two"}, "broken character", "half a surrogate pair"),
        ({"anchor": "b", "positive": "two", "answers": 7}, "broken answers", "list of them as answers, got 7"),
    ],
)
def test_bad_anchors(tmp_path, row, kind, message):
    path = tmp_path / "t.jsonl"
    rows = [{"anchor": "a", "positive": "one", "answers": "x"}, row]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DatasetError, match=rf"t\.jsonl:2: .*{message}"):
        load_dataset(f"jsonl:{path}").queries("train")
    dataset = load_dataset(f"jsonl:{path}?on_bad_row=skip")
    assert next(query.text for query in dataset.queries("train")) == "a"
    assert dataset.left_out == {"corpus": {kind: 1}}
    assert texts(dataset) == ["one"]


class TestTables:
    @pytest.mark.parametrize(
        ("line", "kind", "message"),
        [
            (b"b,two,three", "broken line", r"expected 2 cells \(anchor, positive\), got 3"),
            (b"b", "broken line", "expected 2 cells .*, got 1"),
            (b"b,caf\xe9", "not UTF-8", "not UTF-8: a byte in column 'positive'"),
            (b"b,", "empty text", "got an empty text"),
        ],
    )
    def test_bad_lines(self, tmp_path, line, kind, message):
        path = tmp_path / "t.csv"
        path.write_bytes(b"anchor,positive\na,one\n" + line + b"\nc,three\n")
        with pytest.raises(DatasetError, match=rf"t\.csv:3: {message}|t\.csv:3: expected a text .*{message}"):
            _ = load_dataset(f"csv:{path}").corpus
        dataset = load_dataset(f"csv:{path}?on_bad_row=skip")
        assert texts(dataset) == ["one", "three"]
        assert dataset.left_out == {"corpus": {kind: 1}}
        assert pairs(dataset) == [("a", "one"), ("c", "three")]

    def test_a_header_alone_or_nothing(self, tmp_path):
        for name, content in (("header.csv", "anchor,positive\n"), ("nothing.csv", ""), ("blank.csv", "\n\n")):
            (tmp_path / name).write_text(content)
            with pytest.raises(DatasetError, match=f"{name}: no readable row"):
                load_dataset(f"csv:{tmp_path / name}")

    def test_blank_lines_before_the_header(self, tmp_path):
        (tmp_path / "t.csv").write_text("\n\nanchor,positive\na,one\n")
        assert pairs(load_dataset(f"csv:{tmp_path / 't.csv'}")) == [("a", "one")]

    def test_a_column_named_twice(self, tmp_path):
        (tmp_path / "t.csv").write_text("anchor,positive,positive\na,b,c\n")
        with pytest.raises(
            DatasetError, match=r"t\.csv:1: the header names a column twice: anchor, positive, positive"
        ):
            load_dataset(f"csv:{tmp_path / 't.csv'}")

    def test_a_quote_that_never_ends(self, tmp_path):
        (tmp_path / "t.csv").write_text('anchor,positive\na,one\nb,"two\nc,three\n')
        with pytest.raises(DatasetError, match=r"t\.csv:\d: not a table that can be read on"):
            _ = load_dataset(f"csv:{tmp_path / 't.csv'}").corpus

    @pytest.mark.parametrize("on_bad_row", ["error", "skip"])
    def test_a_truncated_gzip_file(self, tmp_path, on_bad_row):
        packed = gzip.compress(b"anchor,positive\n" + b"".join(b"a%d,b%d\n" % (n, n**5) for n in range(5000)))
        (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
        with pytest.raises(DatasetError, match=r"t\.csv\.gz: cannot be read to its end"):
            _ = load_dataset(f"csv:{tmp_path / 't.csv.gz'}?on_bad_row={on_bad_row}").corpus


class TestParquet:
    def test_no_parquet(self, tmp_path):
        (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing")
        with pytest.raises(DatasetError, match=r"t\.parquet: not a Parquet file"):
            load_dataset(f"parquet:{tmp_path / 't.parquet'}")

    def test_damaged_pages(self, tmp_path):
        path = write(tmp_path / "t.parquet", [{"anchor": f"a{n}", "positive": f"p{n**5}"} for n in range(3000)])
        content = bytearray(path.read_bytes())
        content[100:4000] = b"\xff" * 3900
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"t\.parquet: cannot be read after row 0"):
            _ = load_dataset(f"parquet:{path}").corpus

    def test_rows_beyond_one_batch_are_numbered_on(self, tmp_path):
        rows = [{"anchor": f"a{n}", "positive": f"p{n}"} for n in range(2500)]
        rows[2200]["positive"] = None
        path = write(tmp_path / "t.parquet", rows)
        with pytest.raises(DatasetError, match=r"t\.parquet:2201: expected a text in column 'positive', got None"):
            _ = load_dataset(f"parquet:{path}").corpus
        assert len(load_dataset(f"parquet:{path}?on_bad_row=skip").corpus) == 2499
