"""Every format: what it can carry comes back as it was."""

from __future__ import annotations

import json

import pytest

from hardneg_plugin.datasets.formats import FORMATS, read_training_rows, write_training_rows
from hardneg_plugin.datasets.training_rows import TrainingRow, TrainingRows
from hardneg_plugin.errors import DatasetError, ParameterError

HARD = 'two\nlines, "quoted"\tand\u2028a separator\u0085and ünïcödé 한강 🙂'
ROWS = [
    TrainingRow(
        1,
        HARD,
        ("the positive",),
        (HARD + " 1", "second", "third"),
        query_id="q1",
        positive_ids=("d1",),
        negative_ids=("d2", "d3", "d4"),
        positive_scores=(0.9,),
        negative_scores=(0.5, 0.1, -2.0),
        sources=("bm25", "dense", "bm25"),
        ranks=(3, 1, 7),
        language="ko",
    ),
    TrainingRow(2, "no negatives", ("p",), (), "q2", ("d5",), (), (0.25,)),
    TrainingRow(3, "one", ("p3",), ("n3",), "q3", ("d6",), ("d7",), (1.0,), (0.0,)),
]
ENDINGS = {name: [".jsonl", ".parquet", ""] for name in FORMATS}
ENDINGS |= {name: [".jsonl", ".csv", ".tsv", ".parquet", ""] for name in ("triplet", "n-tuple", "labeled-pair")}
ENDINGS |= {"pylate": [""], "tevatron-ids": [""]}
CASES = [(name, ending) for name, endings in ENDINGS.items() for ending in endings]
WITH_IDS = ("tevatron", "tevatron-ids", "pylate", "hardneg")


def rows_for(ending):
    """Return the rows; a table of tabs has no quotes, and holds no tab and no line end."""
    if ending != ".tsv":
        return ROWS
    plain = HARD.translate({ord("\n"): " ", ord("\t"): " "})
    return [ROWS[0]._replace(query=plain, negatives=('"' + plain, '"second"', 'third"')), *ROWS[1:]]


def rows_of(rows, name="n-tuple"):
    return TrainingRows.of(rows, name, "rows.jsonl")


def texts(rows):
    return [(row.query, row.positives, row.negatives) for row in rows]


def scores(rows):
    return [(row.positive_scores, row.negative_scores) for row in rows]


def grouped(name):
    return name in ("triplet", "pylate-triplet", "labeled-pair")


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_texts_come_back(name, ending, tmp_path):
    rows = rows_of(rows_for(ending))
    written = write_training_rows(rows, tmp_path / f"out{ending}", name)
    assert (written.left_out, written.without_negatives) == (0, 1)
    back = read_training_rows(tmp_path / f"out{ending}", name, group=grouped(name))
    assert texts(back) == texts(rows_for(ending))
    assert back.faults == ()
    assert [path.name for path in tmp_path.iterdir()] == [f"out{ending}"]


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_the_format_is_found_out(name, ending, tmp_path):
    write_training_rows(rows_of(rows_for(ending)), tmp_path / f"out{ending}", name)
    alike = {"pylate-triplet": "triplet", "ms-swift-reranker": "ms-swift"}
    assert read_training_rows(tmp_path / f"out{ending}").format == alike.get(name, name)


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.scores and name != "labeled-pair"])
def test_scores_come_back(name, tmp_path):
    out = tmp_path / ("out" if FORMATS[name].tables else "out.jsonl")
    write_training_rows(rows_of(ROWS), out, name, scores=True)
    back = read_training_rows(out, name)
    if name in ("triplet", "pylate-triplet"):
        flat = [(0.9, 0.5), (0.9, 0.1), (0.9, -2.0), (0.25,), (1.0, 0.0)]
        assert [(*a, *b) for a, b in scores(back)] == [pytest.approx(pair) for pair in flat]
    else:
        assert scores(back) == scores(rows_of(ROWS))


def test_scores_of_labelled_pairs_need_a_limit_to_be_read(tmp_path):
    write_training_rows(rows_of(ROWS[:1]), tmp_path / "out.jsonl", "labeled-pair", scores=True)
    with pytest.raises(DatasetError, match=r"out\.jsonl:1: expected 0 or 1 in 'score', got 0\.9; \?positive_from"):
        read_training_rows(tmp_path / "out.jsonl")
    back = read_training_rows(f"{tmp_path / 'out.jsonl'}?positive_from=0.8", group=True)
    assert texts(back) == texts(ROWS[:1])
    assert scores(back) == scores(rows_of(ROWS[:1]))


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ""])
def test_our_own_rows_lose_nothing(ending, tmp_path):
    out = tmp_path / f"out{ending}"
    write_training_rows(rows_of(ROWS), out, "hardneg")
    assert read_training_rows(out).table.equals(rows_of(ROWS).table)


@pytest.mark.parametrize("name", [name for name in WITH_IDS if name != "hardneg"])
def test_ids_come_back(name, tmp_path):
    out = tmp_path / ("out" if FORMATS[name].tables else "out.jsonl")
    write_training_rows(rows_of(ROWS), out, name)
    found = [(row.query_id, row.positive_ids, row.negative_ids) for row in read_training_rows(out)]
    assert found == [(row.query_id, row.positive_ids, row.negative_ids) for row in ROWS]


def test_a_row_of_two_positives_is_two_rows_where_a_format_has_one(tmp_path):
    rows = rows_of([TrainingRow(1, "q", ("a", "b"), ("n",), positive_scores=(1.0, 0.5), negative_scores=(0.25,))])
    write_training_rows(rows, tmp_path / "out.jsonl", "n-tuple", scores=True)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert lines == [
        {"anchor": "q", "positive": "a", "negative_1": "n", "scores": [1.0, 0.25]},
        {"anchor": "q", "positive": "b", "negative_1": "n", "scores": [0.5, 0.25]},
    ]
    write_training_rows(rows, tmp_path / "out.jsonl", "flagembedding", overwrite=True)
    assert texts(read_training_rows(tmp_path / "out.jsonl")) == [("q", ("a", "b"), ("n",))]


def test_negatives_are_cut_and_short_rows_left_out(tmp_path):
    written = write_training_rows(rows_of(ROWS), tmp_path / "out.jsonl", "flagembedding", negatives=2, min_negatives=1)
    assert written[:3] == (2, 1, 0)
    back = list(read_training_rows(tmp_path / "out.jsonl"))
    assert [row.negatives for row in back] == [(HARD + " 1", "second"), ("n3",)]


def test_a_score_has_no_more_digits_than_it_needs(tmp_path):
    write_training_rows(rows_of(ROWS[:1]), tmp_path / "out.jsonl", "flagembedding", scores=True)
    assert '"pos_scores": [0.9]' in (tmp_path / "out.jsonl").read_text("utf-8")


def test_what_cannot_be_written_is_refused_and_leaves_what_was_there(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("as it was", "utf-8")
    with pytest.raises(DatasetError, match=r"rows\.jsonl:4: no scores of all its passages"):
        write_training_rows(
            rows_of([*ROWS, TrainingRow(4, "q", ("p",), ("n",))]), out, "flagembedding", scores=True, overwrite=True
        )
    assert out.read_text("utf-8") == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    with pytest.raises(DatasetError, match=r"rows\.jsonl:1: no positive"):
        write_training_rows(rows_of([TrainingRow(1, "q", (), ("n",))]), out, "triplet", overwrite=True)
    with pytest.raises(ParameterError, match="ms-swift has no place for scores"):
        write_training_rows(rows_of(ROWS), out, "ms-swift", scores=True)
    with pytest.raises(DatasetError, match=r"a \.csv file holds no lists, which pos, neg would be"):
        write_training_rows(rows_of(ROWS), tmp_path / "out.csv", "flagembedding")
    with pytest.raises(DatasetError, match="several tables"):
        write_training_rows(rows_of(ROWS), out, "pylate")


def test_one_id_for_two_texts_is_refused(tmp_path):
    rows = rows_of([TrainingRow(7, "q", ("a",), ("b",), "q1", ("d",), ("d",), (1.0,), (0.5,))])
    with pytest.raises(DatasetError, match="row 7: the id 'd' stands for another text"):
        write_training_rows(rows, tmp_path / "out", "pylate")


def test_many_rows_are_written_and_read_in_batches(tmp_path):
    many = [TrainingRow(number, f"q{number}", ("p",), ("n",)) for number in range(1, 25_002)]
    write_training_rows(rows_of(many), tmp_path / "out.jsonl", "triplet")
    back = read_training_rows(tmp_path / "out.jsonl")
    assert len(back) == 25_001
    assert back.table.column("number").to_pylist() == list(range(1, 25_002))


@pytest.mark.parametrize("text", ["a\ttab", "a\nline", "a\rreturn"])
def test_a_table_of_tabs_refuses_what_would_end_a_cell(tmp_path, text):
    with pytest.raises(DatasetError, match=r"\.tsv file has no quotes and holds no tab or line end.*write \.csv"):
        write_training_rows(rows_of([TrainingRow(1, text, ("p",), ("n",))]), tmp_path / "out.tsv", "triplet")
    assert not (tmp_path / "out.tsv").exists()
