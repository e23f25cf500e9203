"""Which column is read as what."""

from __future__ import annotations

import pytest
from pair_files import load, pairs, texts, write

from hardneg_plugin.datasets import load_dataset
from hardneg_plugin.errors import DatasetError

PAIRS = [{"anchor": "who dances?", "positive": "Bees dance."}]


def test_columns_by_name(tmp_path, ending):
    rows = [{"my question": "q", "anchor": "wrong", "text+more": "p", "lingua": "it", "short": "s"}]
    path = write(tmp_path / f"t.{ending}", rows)
    dataset = load(path, "?anchor=my+question&positive=text%2Bmore&language=lingua&answers=short")
    assert pairs(dataset) == [("q", "p")]
    (query,) = dataset.queries("train")
    assert (query.language, query.answers) == ("it", ("s",))
    assert dataset.corpus.language(0) == "it"


def test_columns_that_are_not_there(tmp_path, ending):
    path = write(tmp_path / f"t.{ending}", PAIRS)
    with pytest.raises(DatasetError, match=r"no column 'ankor'; columns: anchor, positive; .*\?anchor=COLUMN"):
        load(path, "?anchor=ankor")
    with pytest.raises(DatasetError, match="unknown column role anker; known: anchor, positive"):
        load(path, "?anker=anchor")
    other = write(tmp_path / f"u.{ending}", [{"left": "a", "right": "b"}])
    with pytest.raises(DatasetError, match="no column for the anchor; columns: left, right"):
        load(other)


def test_a_column_without_a_name_is_nobody_s(tmp_path):
    # As DataFrame.to_csv writes its index.
    (tmp_path / "t.csv").write_text(",anchor,positive\n0,a,one\n1,b,two\n")
    dataset = load_dataset(f"csv:{tmp_path / 't.csv'}")
    assert pairs(dataset) == [("a", "one"), ("b", "two")]
    assert [(query.language, query.answers) for query in dataset.queries("train")] == [("", ()), ("", ())]
    assert dataset.corpus.language(0) == ""
    named = load_dataset(f"csv:{tmp_path / 't.csv'}?language=")
    assert [query.language for query in named.queries("train")] == ["0", "1"]
    (tmp_path / "u.csv").write_text("anchor,positive\na,one\n")
    with pytest.raises(DatasetError, match="no column ''; columns: anchor, positive"):
        load_dataset(f"csv:{tmp_path / 'u.csv'}?positive=")


@pytest.mark.parametrize(
    ("row", "role", "several", "options"),
    [
        (
            {"question": "q", "context": "long", "answer": "short"},
            "positive",
            "answer, context",
            "?positive=answer or ?positive=context",
        ),
        ({"query": "q", "question": "r", "pos": "p"}, "anchor", "query, question", "?anchor=query or ?anchor=question"),
        (
            {"query": "q", "pos": "p", "negatives": "n", "negative_2": "m", "negative_1": "l"},
            "negative",
            "negative_1, negative_2, negatives",
            "?negative=negative_1 or ?negative=negatives",
        ),
        (
            {"query": "q", "pos": "p", "lang": "en", "language": "de"},
            "language",
            "language, lang",
            "?language=language or ?language=lang",
        ),
    ],
)
def test_several_columns_for_one_role_are_an_error(tmp_path, ending, row, role, several, options):
    path = write(tmp_path / f"t.{ending}", [row])
    with pytest.raises(DatasetError) as caught:
        load(path)
    kind = "csv" if ending == "tsv" else ending
    assert str(caught.value) == (
        f"{path}: several columns could be the {role}: {several}; name the one to read, {kind}:PATH{options}"
    )


def test_naming_a_column_settles_which_one_is_read(tmp_path, ending):
    path = write(tmp_path / f"t.{ending}", [{"question": "q", "context": "long", "answer": "short"}])
    assert pairs(load(path, "?positive=context")) == [("q", "long")]
    assert pairs(load(path, "?positive=answer")) == [("q", "short")]
    # The answer is spoken for, so only the context is left for the positive.
    dataset = load(path, "?answers=answer")
    assert pairs(dataset) == [("q", "long")]
    assert dataset.queries("train")[0].answers == ("short",)


def test_tuples_with_numbered_negatives(tmp_path, ending):
    rows = [
        {"anchor": "a", "positive": "one", **{f"negative_{n}": f"n{n}" for n in (1, 10, 2)}, "negative": "n0"},
        {"anchor": "b", "positive": "two", "negative_1": "n3", "negative_10": None, "negative_2": "", "negative": None},
    ]
    dataset = load(write(tmp_path / f"t.{ending}", rows))
    assert texts(dataset) == ["one", "n0", "n1", "n2", "n10", "two", "n3"]
    assert pairs(dataset) == [("a", "one"), ("b", "two")]
    assert dataset.left_out == {}
    only = load(tmp_path / f"t.{ending}", "?negative=negative_2")
    assert texts(only) == ["one", "n2", "two"]


@pytest.mark.parametrize("shape", ["n-tuple", "triplet"])
def test_what_this_package_writes_can_be_read_again(tmp_path, make_corpus, shape):
    from haystack.dataclasses import Document

    from hardneg_plugin import BM25NegativeMiner, MiningExample, TripletBuilder

    corpus = make_corpus(["red fish", "red bird", "red stone"])
    queries = [("fish", "a fish"), ("red", "a colour")]
    examples = [MiningExample(query, query, (Document(id=text, content=text),)) for query, text in queries]
    mined = BM25NegativeMiner(corpus=f"cache:{corpus.key}").run(examples=examples)["examples"]
    TripletBuilder(shape=shape).run(examples=mined)["triplets"].to_parquet(tmp_path / "t.parquet")
    dataset = load(tmp_path / "t.parquet")
    assert sorted(texts(dataset)) == ["a colour", "a fish", "red bird", "red fish", "red stone"]
    assert pairs(dataset) == [("fish", "a fish"), ("red", "a colour")]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lists_of_negatives_with_gaps(tmp_path, ending):
    rows = [
        {"anchor": "a", "positive": "one", "negatives": ["two", None, "three"]},
        {"anchor": "b", "positive": "two", "negatives": None},
    ]
    assert texts(load(write(tmp_path / f"t.{ending}", rows))) == ["one", "two", "three"]
