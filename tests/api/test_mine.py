"""``mine`` from end to end, with BM25 and with a model whose vectors are written by hand."""

from __future__ import annotations

import math

import pytest
from datasets import Dataset, DatasetDict

from hardneg_plugin import mine
from hardneg_plugin.errors import DatasetError, HardnegError, ParameterError

SWIMS, EATS, SINGS = "red fish swims fast", "the red fish eats", "a blue bird sings"
PAIRS = [
    {"query": "red fish", "answer": SWIMS},
    {"query": "red fish", "answer": EATS},
    {"query": "blue bird", "answer": SINGS},
]
# By BM25 "fish market" stands before "red stone lies": it is shorter, and both have one of the query's words.
MARKET, STONE, SKY = "fish market", "red stone lies", "blue sky shines"
CORPUS = [STONE, SKY, "red fish swims fast!", MARKET, "green grass"]

# Angles to the query, so that scores are their cosines.
ANGLES = {"query": 0, "best": 0, "second": 60, "near": 30, "middle": 45, "far": 90}
COS30, COS45, COS60 = math.sqrt(3) / 2, math.sqrt(2) / 2, 0.5
SCORED_PAIRS = [{"anchor": "query", "positive": ["best", "second"]}]


def mined(rows=PAIRS, model=None, **options):
    options.setdefault("corpus", CORPUS)
    options.setdefault("num_negatives", 2)
    return mine(Dataset.from_list(rows), model, **options)


@pytest.fixture
def model(toy_model):
    angles = {text: math.radians(degrees) for text, degrees in ANGLES.items()}
    return toy_model({text: [math.cos(angle), math.sin(angle)] for text, angle in angles.items()})


def scored(model, **options):
    return mined(SCORED_PAIRS, model, corpus=["far", "near", "middle"], **options)


ROWS = {
    "triplet": [
        {"anchor": "red fish", "positive": SWIMS, "negative": MARKET},
        {"anchor": "red fish", "positive": SWIMS, "negative": STONE},
        {"anchor": "red fish", "positive": EATS, "negative": MARKET},
        {"anchor": "red fish", "positive": EATS, "negative": STONE},
        {"anchor": "blue bird", "positive": SINGS, "negative": SKY},
    ],
    "n-tuple": [
        {"anchor": "red fish", "positive": SWIMS, "negative_1": MARKET, "negative_2": STONE},
        {"anchor": "red fish", "positive": EATS, "negative_1": MARKET, "negative_2": STONE},
        # "blue bird" finds one negative: no row has room for it.
    ],
    "labeled-pair": [
        {"anchor": "red fish", "passage": SWIMS, "label": 1},
        {"anchor": "red fish", "passage": MARKET, "label": 0},
        {"anchor": "red fish", "passage": STONE, "label": 0},
        {"anchor": "red fish", "passage": EATS, "label": 1},
        {"anchor": "blue bird", "passage": SINGS, "label": 1},
        {"anchor": "blue bird", "passage": SKY, "label": 0},
    ],
    "labeled-list": [
        {"anchor": "red fish", "passages": [SWIMS, MARKET, STONE], "labels": [1, 0, 0]},
        {"anchor": "red fish", "passages": [EATS, MARKET, STONE], "labels": [1, 0, 0]},
        {"anchor": "blue bird", "passages": [SINGS, SKY], "labels": [1, 0]},
    ],
}


@pytest.mark.parametrize("output_format", ROWS)
def test_formats(output_format):
    assert mined(output_format=output_format).dataset.to_list() == ROWS[output_format]


def test_statistics_of_bm25():
    statistics = mined().statistics
    # "red fish" finds two positives (one with a copy), the stone and the market; "blue bird" its positive and the sky.
    assert statistics.to_dict() == {
        "queries": 2,
        "pairs": 3,
        "candidates": 6,
        "negatives": 3,
        "dropped": {"positive: id": 3},
        "short_queries": 1,
        "scores": {},
        "rows": 5,
        "left_out": {},
        "left_out_queries": [],
        "skipped": {},
        "hints": (),
    }


def test_the_window_of_ranks():
    # "red fish": ranks 1 and 2 are the positives, one of which has a copy, 3 the market, 4 the stone.
    only = mined(range_min=3, range_max=4)
    assert [row["negative"] for row in only.dataset] == [STONE, STONE]
    kept = mined(range_min=3, range_max=4, on_few_negatives="keep")
    assert [row["negative"] for row in kept.dataset] == [STONE, STONE, None]
    assert only.statistics.negatives == 1
    assert mined(range_max=3).statistics.candidates == 5


SCORED = {
    "triplet": ("scores", [[1, COS30], [1, COS45], [COS60, COS30], [COS60, COS45]]),
    "n-tuple": ("scores", [[1, COS30, COS45], [COS60, COS30, COS45]]),
    "labeled-list": ("scores", [[1, COS30, COS45], [COS60, COS30, COS45]]),
    "labeled-pair": ("score", [1, COS30, COS45, COS60]),
}


@pytest.mark.parametrize("output_format", SCORED)
def test_scores_are_the_model_s_cosines(model, output_format):
    column, expected = SCORED[output_format]
    values = scored(model, output_format=output_format, output_scores=True).dataset.to_list()
    assert len(values) == len(expected)
    for row, scores in zip(values, expected, strict=True):
        assert row[column] == pytest.approx(scores, abs=1e-6)


def test_statistics_of_scores(model):
    statistics = scored(model, num_negatives=3).statistics
    # The positives have the cosines 1 and 1/2; the negatives those of 30, 45 and 90 degrees.
    assert (statistics.queries, statistics.pairs, statistics.candidates) == (1, 2, 5)
    assert (statistics.negatives, statistics.short_queries, statistics.dropped) == (3, 0, {"positive: id": 2})
    positive, negative = statistics.scores["positive"], statistics.scores["negative"]
    assert positive == pytest.approx(
        {"mean": 0.75, "std": 0.25, "min": 0.5, "25%": 0.625, "median": 0.75, "75%": 0.875, "max": 1}, abs=1e-6
    )
    assert negative["mean"] == pytest.approx((COS30 + COS45) / 3, abs=1e-6)
    assert [negative[name] for name in ("min", "median", "max")] == pytest.approx([0, COS45, COS30], abs=1e-6)
    # To the lower of the two positives.
    assert statistics.scores["difference"]["median"] == pytest.approx(0.5 - COS45, abs=1e-6)


@pytest.mark.parametrize(
    ("bound", "kept"),
    [
        ({"absolute_margin": 0.2}, ["middle", "far"]),  # at most 1 - 0.2: without cos 30
        ({"relative_margin": 0.3}, ["far"]),  # at most 0.7
        ({"max_score": 0.75}, ["middle", "far"]),
        ({"min_score": 0.5}, ["near", "middle"]),
    ],
)
def test_margins_and_bounds(model, bound, kept):
    rows = scored(model, num_negatives=3, output_format="labeled-list", **bound).dataset
    assert rows[0]["passages"][1:] == kept


@pytest.mark.parametrize(
    "option",
    [{"relative_margin": 0.05}, {"absolute_margin": 0}, {"max_score": 1}, {"min_score": 0}, {"output_scores": True}],
)
def test_without_a_model_there_are_no_scores_to_compare(option):
    with pytest.raises(ParameterError, match="compare scores of a model; give one"):
        mined(**option)


@pytest.mark.parametrize(("low", "high"), [(5, 5), (6, 5), (-1, 5), (0, 0)])
def test_an_empty_window(low, high):
    with pytest.raises(ParameterError, match=f"got range_min={low} and range_max={high}"):
        mined(range_min=low, range_max=high)


def test_parameters_of_the_stages_are_checked():
    for option in ({"num_negatives": 0}, {"output_format": "pairs"}, {"sampling_strategy": "best"}):
        with pytest.raises(ParameterError, match=r"num_negatives|shape|strategy"):
            mined(**option)
    with pytest.raises(HardnegError, match="on_bad_row must be one of error, skip; got 'ignore'"):
        mined(on_bad_row="ignore")


@pytest.mark.integration
def test_a_spec():
    rows, statistics = mine("sample?passages=1000", num_negatives=2, output_format="n-tuple")
    assert rows.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    assert statistics.queries - len(statistics.left_out_queries) <= len(rows) <= statistics.pairs
    assert statistics.rows == len(rows)
    assert statistics.candidates == statistics.negatives + sum(statistics.dropped.values())
    assert 0 < statistics.negatives <= 2 * statistics.queries


def write_csv(path, *lines):
    path.write_text("\n".join(["question,context,answer", *lines]))
    return f"csv:{path}"


def test_arguments_apply_to_a_spec_as_well(tmp_path):
    spec = write_csv(tmp_path / "t.csv", "red fish,red fish swims,1", "fish,the fish eats,2", "bird,,3")
    with pytest.raises(DatasetError, match="several columns could be the positive: answer, context"):
        mine(spec)
    with pytest.raises(DatasetError, match=r"t\.csv:4: expected a text in column 'context', got an empty text"):
        mine(spec, positive_column_name="context")
    rows = mine(spec, positive_column_name="context", on_bad_row="skip").dataset
    assert rows["positive"] == ["red fish swims", "the fish eats"]
    swapped = mine(f"{spec}?on_bad_row=skip", anchor_column_name="context", positive_column_name="question").dataset
    assert swapped["anchor"] == ["red fish swims", "the fish eats"]


def test_queries_corpus_and_judgements():
    corpus = {"p1": SWIMS, "p2": EATS, "p3": STONE, "p4": MARKET}
    rows = mine({"q": "red fish"}, corpus=corpus, qrels={"q": ["p1", "p2"]}, output_format="labeled-list").dataset
    assert rows["passages"] == [[SWIMS, MARKET, STONE], [EATS, MARKET, STONE]]


@pytest.mark.parametrize("corpus", [dict(enumerate(CORPUS)), Dataset.from_dict({"text": CORPUS}), tuple(CORPUS)])
def test_further_passages_in_any_shape(corpus):
    assert mined(corpus=corpus).dataset.to_list() == ROWS["triplet"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (({"q": "red"},), {"qrels": {}}, "give the corpus they are in"),
        (({"q": "red"},), {"qrels": {}, "corpus": {}, "anchor_column_name": "q"}, "there are no pairs"),
        (({"q": "red"},), {}, "expected a datasets.Dataset of pairs, .* or a dataset spec, got dict"),
        ((DatasetDict(test=Dataset.from_list(PAIRS)),), {}, "got DatasetDict; give one split: test"),
        ((Dataset.from_list(PAIRS),), {"corpus": "one text"}, "corpus: no such file: one text"),
        ((Dataset.from_list(PAIRS),), {"corpus": 7}, "corpus: expected a list of texts, .* got int"),
        ((Dataset.from_list(PAIRS),), {"corpus": Dataset.from_list(PAIRS)}, "a table with text, .*: query, answer"),
        ((Dataset.from_list(PAIRS),), {"split": "test"}, "no split 'test'; splits: train"),
    ],
)
def test_arguments_that_do_not_fit(arguments, options, message):
    with pytest.raises((ParameterError, DatasetError), match=message):
        mine(*arguments, **options)


# Passages of a document store


def store(texts):
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    found = InMemoryDocumentStore()
    found.write_documents([Document(id="image"), *(Document(id=name, content=text) for name, text in texts.items())])
    return found


def test_further_passages_may_lie_in_a_document_store():
    texts = {f"s{number}": text for number, text in enumerate(CORPUS)}
    assert mined(corpus=store(texts)).dataset.to_list() == mined().dataset.to_list()


def test_with_judgements_all_passages_may_lie_in_a_document_store():
    texts = {"p1": SWIMS, "p2": MARKET, "p3": STONE}
    given = {"queries": {"q": "red fish"}, "qrels": {"q": ["p1"]}}
    plain, stored = (
        mine(given["queries"], corpus=passages, qrels=given["qrels"], num_negatives=2).dataset.to_list()
        for passages in (texts, store(texts))
    )
    assert stored == plain
    assert [row["negative"] for row in stored] == [MARKET, STONE]


def test_an_empty_document_store_is_an_error():
    with pytest.raises(DatasetError, match="no documents with a text; left out: no content: 1"):
        mined(corpus=store({}))
