from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from haystack.dataclasses import Document

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import Candidates, Corpus, MiningExample, table_of, with_table
from hardneg_plugin.records.candidates import SourceHit, Verdict


def test_equality_compares_values_not_tables(rich_examples):
    again = [MiningExample.from_dict(example.to_dict()) for example in rich_examples]
    assert again == rich_examples
    assert again[0].candidates.table is not rich_examples[0].candidates.table
    assert again[0] != rich_examples[1]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("passages", [0, 1, 2]),
        ("ranks", {"bm25": [1, 2, 0], "dense:m/x": [3, 0, 1]}),
        ("scores", {"ce": [0.1, 0.5, -2.5]}),
        ("positive_scores", {"ce": [0.9, 0.1]}),
        ("label_score", [None, None, None]),
        ("dropped", ["", "", ""]),
        ("label", ["hard", "hard", ""]),
    ],
)
def test_a_change_of_any_column_makes_candidates_unequal(rich_examples, column, value):
    candidates = rich_examples[0].candidates
    data = candidates.to_dict()
    assert data[column] != value
    assert Candidates.from_dict({**data, column: value}) != candidates


def test_a_scorer_of_other_examples_does_not_make_an_example_unequal(rich_examples):
    # "ce" scored e0 and e1's positives, but nothing of e3: alone, e3 knows no such scorer.
    alone = MiningExample.from_dict(rich_examples[3].to_dict())
    assert alone == rich_examples[3]
    assert alone.to_dict()["candidates"]["positive_scores"] == {}


def test_copies_are_the_example_itself(rich_examples):
    example = rich_examples[0]
    assert copy.copy(example) is example
    assert copy.deepcopy(example) is example
    assert copy.deepcopy(rich_examples)[2] is rich_examples[2]
    assert copy.copy(example.candidates) is copy.deepcopy(example.candidates) is example.candidates
    corpus = example.candidates.table.corpus
    assert copy.deepcopy(corpus) is corpus


def test_examples_and_candidates_cannot_be_changed(rich_examples):
    example = rich_examples[2]
    with pytest.raises(FrozenInstanceError):
        example.query = "another"
    with pytest.raises(TypeError):
        example.meta["fold"] = 4
    with pytest.raises(AttributeError, match="read-only"):
        example.candidates.index = 1
    with pytest.raises(TypeError):
        example.candidates.positive_scores["ce"] = []
    with pytest.raises(AttributeError):
        example.candidates[0].dropped = "no"


def test_meta_does_not_follow_the_mapping_it_was_made_of():
    meta = {"fold": 1}
    example = MiningExample(id="a", query="q", meta=meta)
    meta["fold"] = 2
    assert example.meta == {"fold": 1}


def test_sequences_become_tuples():
    example = MiningExample(id="a", query="q", positives=[Document(id="d", content="t")], answers=["x"])
    assert example.positives == (Document(id="d", content="t"),)
    assert example.answers == ("x",)


@pytest.mark.parametrize("query", ["", "  \n\u3000", None])
def test_an_example_needs_a_query(query):
    with pytest.raises(RecordError, match=r"'e7'.*query"):
        MiningExample(id="e7", query=query)


def test_views_of_candidates(rich_examples):
    first = rich_examples[0].candidates
    assert [candidate.id for candidate in first] == ["d0", "d1", "d3"]
    assert [candidate.text for candidate in first] == ["red wine", "blue sky", "white snow"]
    assert first[0].sources == {"bm25": SourceHit(1, 9.5), "dense:m/x": SourceHit(2, None)}
    assert list(first[0].sources) == ["bm25", "dense:m/x"]
    assert first[2].sources == {"dense:m/x": SourceHit(1, None)}
    assert first[0].scores == {"ce": pytest.approx(0.1)}
    assert first[1].scores == {}
    assert first[0].verdict == Verdict("false_negative", 0.75, "llama", "ab12")
    assert first[1].verdict == Verdict("hard", None, "llama", "ab12")
    assert first[2].verdict is None
    assert [candidate.dropped for candidate in first] == ["positive: text", "", ""]
    assert [candidate.id for candidate in first.kept()] == ["d1", "d3"]
    assert first.positive_scores == {"ce": [pytest.approx(0.9), None]}
    assert first[-1].id == "d3"
    assert first[0].document == Document(id="d0", content="red wine", meta={"language": "en"})
    with pytest.raises(IndexError, match="candidate 3 of 3"):
        first[3]


def test_views_of_own_documents(rich_examples):
    own = rich_examples[2].candidates
    assert [candidate.text for candidate in own] == ["ليل أسود", "made up \U0001f600", ""]
    assert own[2].document.content is None
    assert own[2].id == "empty"
    assert len(rich_examples[1].candidates) == 0


def test_candidates_of_no_corpus_are_an_error_when_read():
    data = Candidates().to_dict()
    data.update({name: [""] for name in ("label", "judge", "prompt", "dropped")}, passages=[0], label_score=[None])
    with pytest.raises(RecordError, match="carry no corpus"):
        _ = Candidates.from_dict(data)[0].text


def test_dict_is_json(rich_examples):
    for example in rich_examples:
        text = json.dumps(example.to_dict(), ensure_ascii=False, allow_nan=False)
        assert MiningExample.from_dict(json.loads(text)) == example


def test_dict_holds_own_documents_of_its_example_only(rich_examples):
    assert [document["content"] for document in rich_examples[3].candidates.to_dict()["own"]] == ["third"]
    assert rich_examples[3].candidates.to_dict()["passages"] == [-1]
    assert rich_examples[0].candidates.to_dict()["own"] == []
    assert rich_examples[3].candidates.to_dict()["corpus"] is None


@pytest.mark.parametrize("key", ["id", "query", "positives", "candidates", "meta"])
def test_missing_key_is_named(rich_examples, key):
    data = rich_examples[0].to_dict()
    del data[key]
    with pytest.raises(RecordError, match=key):
        MiningExample.from_dict(data)


@pytest.mark.parametrize("column", ["ranks", "passages", "dropped", "positive_scores"])
def test_missing_column_is_named(rich_examples, column):
    data = rich_examples[0].to_dict()
    del data["candidates"][column]
    with pytest.raises(RecordError, match=column):
        MiningExample.from_dict(data)


def test_column_of_another_length_is_an_error(rich_examples):
    data = rich_examples[0].candidates.to_dict()
    with pytest.raises(RecordError, match=r"ranks 'bm25' has shape \(2,\), expected \(3,\)"):
        Candidates.from_dict({**data, "ranks": {**data["ranks"], "bm25": [1, 2]}})


def test_pickle_round_trip_keeps_arrays_read_only(rich_examples):
    back = pickle.loads(pickle.dumps(rich_examples))
    assert back == rich_examples
    table = back[0].candidates.table
    assert not table.passages.flags.writeable
    assert not table.ranks["bm25"].flags.writeable
    assert not table.dropped.codes.flags.writeable
    with pytest.raises(TypeError):
        back[2].meta["fold"] = 1


def test_pickle_carries_the_corpus_by_key_and_no_text(make_corpus):
    corpus = make_corpus([f"unmistakable text {number} " + "x" * 10_000 for number in range(50)])
    example = MiningExample(id="a", query="q")
    from hardneg_plugin.records import CandidateTable, merge_source

    rows = np.arange(50)[None, :]
    table = merge_source(CandidateTable.empty([0]), "bm25", corpus, rows, np.ones((1, 50), dtype=np.float32))
    example = with_table([example], table)[0]
    assert "unmistakable text 7" in example.candidates[7].text
    pickled = pickle.dumps(example)
    assert corpus.key.encode() in pickled
    assert b"unmistakable" not in pickled
    assert len(pickled) < 5_000
    assert pickle.loads(pickled).candidates.table.corpus is corpus


def test_pickled_example_does_not_carry_the_others_of_its_shard(rich_examples):
    pickled = pickle.dumps(rich_examples[0])
    assert b"third" not in pickled
    assert b"what is red?" in pickled
    assert len(pickle.loads(pickled).candidates.table) == 1


def test_with_table_needs_one_row_of_offsets_an_example(rich_examples):
    with pytest.raises(RecordError, match="table of 4 examples cannot be given to 3"):
        with_table(rich_examples[:3], table_of(rich_examples))


def test_opening_a_corpus_twice_gives_one_object(corpus):
    assert Corpus.open(corpus.key) is Corpus.open(corpus.key)
