from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from haystack.dataclasses import Document

from hardneg_plugin.errors import RecordError
from hardneg_plugin.records import CandidateTable, MiningExample, merge_source, table_of, with_table
from hardneg_plugin.records.dictionary_column import DictionaryColumn
from hardneg_plugin.records.table import concat, concat_ranges, index_within_group, lengths_to_offsets, same_corpus


def ids(example):
    return [candidate.id for candidate in example.candidates]


def test_offsets_and_ranges():
    assert lengths_to_offsets([2, 0, 3]).tolist() == [0, 2, 2, 5]
    assert lengths_to_offsets([]).tolist() == [0]
    assert concat_ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert concat_ranges(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []


def test_places_count_anew_in_each_list():
    assert index_within_group(np.array([0, 2, 2, 5])).tolist() == [0, 1, 0, 1, 2]
    assert index_within_group(np.array([0])).tolist() == []


@pytest.mark.parametrize("rows", [None, [0, 1, 2, 3, 4, 5, 6], [1, 3, 4, 6], []])
def test_rows_are_ordered_within_their_example(rich_examples, rows):
    table = table_of(rich_examples)
    values = np.array([2.0, 1.0, np.nan, 1.0, 1.0, 0.0, -1.0])
    rows = None if rows is None else np.array(rows, np.int64)
    expected = sorted(
        range(len(values)) if rows is None else rows.tolist(),
        key=lambda row: (table.example_index[row], np.isnan(values[row]), values[row], row),
    )
    assert table.ordered_by(values, rows).tolist() == expected


def test_drop_keeps_the_first_reason(plain_examples):
    table = table_of(plain_examples)
    once = table.drop(np.array([True, False, False, True]), "margin")
    twice = once.drop(np.array([True, True, False, False]), "quality")
    assert twice.dropped.strings() == ["margin", "quality", "", "margin"]
    assert twice.kept.tolist() == [False, False, True, False]
    assert table.kept.all()


def test_drop_needs_a_reason(plain_examples):
    with pytest.raises(RecordError, match="without a reason"):
        table_of(plain_examples).drop(np.array([True, False, False, False]), "")


def test_best_rank(rich_examples):
    table = table_of(rich_examples)
    assert table.best_rank().tolist() == [1, 2, 1, 1, 1, 2, 1]
    assert table.best_rank("bm25").tolist() == [1, 2, 0, 1, 0, 0, 0]
    assert table.best_rank("dense:m/x").tolist() == [2, 0, 1, 0, 0, 0, 0]
    with pytest.raises(RecordError, match=r"no source 'bm52'.*bm25, dense:m/x, generated:l"):
        table.best_rank("bm52")
    assert CandidateTable.empty([0]).best_rank().tolist() == []


def test_every_array_and_mapping_is_read_only(rich_examples):
    table = table_of(rich_examples)
    for changed in (table, table.drop(table.kept, "all"), table.select(np.array([2, 0])), concat([table, table])):
        mappings = [changed.ranks, changed.source_scores, changed.scores, changed.positive_scores]
        coded = [getattr(changed, name).codes for name in ("label", "judge", "prompt", "dropped")]
        arrays = [column for mapping in mappings for column in mapping.values()]
        arrays += [changed.offsets, changed.passages, changed.positive_offsets, changed.label_score, *coded]
        assert len(arrays) == 16
        assert not [array for array in arrays if array.flags.writeable]
        for mapping in mappings:
            with pytest.raises(TypeError):
                mapping["new"] = None
    with pytest.raises(ValueError, match="read-only"):
        table.passages[0] = 3


def test_columns_must_fit(plain_examples):
    table = table_of(plain_examples)
    with pytest.raises(RecordError, match=r"'passages' has shape \(3,\), expected \(4,\)"):
        replace(table, passages=np.zeros(3, dtype=np.int64))
    with pytest.raises(RecordError, match=r"scores 'ce' has shape \(5,\)"):
        replace(table, scores={"ce": np.zeros(5, dtype=np.float32)})
    with pytest.raises(RecordError, match=r"positive_scores 'ce' has shape \(4,\), expected \(0,\)"):
        replace(table, positive_scores={"ce": np.zeros(4, dtype=np.float32)})
    with pytest.raises(RecordError, match=r"ranks of the sources \['bm25', 'x'\]"):
        replace(table, ranks={**table.ranks, "x": np.zeros(4, dtype=np.int32)})
    with pytest.raises(RecordError, match="positives of 3"):
        replace(table, positive_offsets=np.zeros(4, dtype=np.int64))


def test_select_in_any_order_and_twice(rich_examples):
    table = table_of(rich_examples).select(np.array([2, 0, 2]))
    assert table.offsets.tolist() == [0, 3, 6, 9]
    assert table.passages.tolist() == [5, -1, -2, 0, 1, 3, 5, -1, -2]
    assert table.positive_offsets.tolist() == [0, 0, 2, 2]
    assert table.positive_scores["ce"].tolist() == pytest.approx([0.9, np.nan], nan_ok=True)
    assert table.dropped.strings() == ["margin", "", "", "positive: text", "", "", "margin", "", ""]
    assert table.example_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_concat_fills_what_one_side_lacks(rich_examples, plain_examples):
    table = concat([table_of(plain_examples), table_of(rich_examples)])
    assert list(table.ranks) == ["bm25", "dense:m/x", "generated:l"]
    assert table.ranks["dense:m/x"].tolist() == [0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0]
    assert np.isnan(table.scores["ce"][:4]).all()
    assert table.scores["ce"][4] == np.float32(0.1)
    assert table.positive_offsets.tolist() == [0, 0, 0, 2, 3, 3, 4]
    assert table.label.strings()[4:6] == ["false_negative", "hard"]
    both = with_table([*plain_examples, *rich_examples], table)
    assert both == [*plain_examples, *rich_examples]


def test_concat_renumbers_own_documents():
    def generated(*texts):
        rows = len(texts)
        empty = CandidateTable.empty([0])
        return replace(
            empty,
            offsets=np.array([0, rows]),
            passages=-1 - np.arange(rows),
            own=tuple(Document(content=text) for text in texts),
            label_score=np.full(rows, np.nan, dtype=np.float32),
            **{name: DictionaryColumn.empty(rows) for name in ("label", "judge", "prompt", "dropped")},
        )

    table = concat([generated("a", "b"), generated("c"), generated("d", "e")])
    assert table.passages.tolist() == [-1, -2, -3, -4, -5]
    assert [document.content for document in table.own] == ["a", "b", "c", "d", "e"]


def test_different_corpora_do_not_mix(plain_examples, make_corpus):
    other = make_corpus(["something else"])
    table = merge_source(CandidateTable.empty([0]), "bm25", other, np.array([[0]]), np.array([[1.0]], dtype=np.float32))
    stranger = with_table([MiningExample(id="s", query="q")], table)
    with pytest.raises(RecordError, match=f"different corpora.*{other.key}"):
        table_of([*plain_examples, *stranger])
    assert same_corpus([CandidateTable.empty([0])]) is None


def test_table_of_untouched_examples_is_their_table(rich_examples):
    table = rich_examples[0].candidates.table
    assert table_of(rich_examples) is table
    assert len(table_of([])) == 0


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [0, 1], [2], [1, 1, 3], [2, 3, 0, 1]])
def test_table_of_a_shuffled_subset(rich_examples, order):
    chosen = [rich_examples[number] for number in order]
    assert with_table(chosen, table_of(chosen)) == chosen


def test_table_of_examples_of_several_tables(rich_examples, plain_examples):
    alone = MiningExample(id="new", query="no candidates yet", positives=(Document(id="d0", content="red wine"),))
    copies = [MiningExample.from_dict(example.to_dict()) for example in rich_examples]
    mixed = [
        rich_examples[2], plain_examples[1], copies[0], rich_examples[0], alone, plain_examples[0], copies[2],
        rich_examples[3], alone, copies[3],
    ]  # fmt: skip
    table = table_of(mixed)
    gathered = with_table(mixed, table)
    assert gathered == mixed
    assert [ids(example) for example in gathered] == [ids(example) for example in mixed]
    assert np.diff(table.positive_offsets).tolist() == [len(example.positives) for example in mixed]
    assert gathered[3].candidates.positive_scores == {"ce": [pytest.approx(0.9), None]}
    assert gathered[4].candidates.positive_scores == {"ce": [None]}
    # Each table is carried once: three own documents of one, two and one of the copies.
    assert len(table.own) == 6


def test_positives_that_change_after_scoring_are_an_error(rich_examples):
    fewer = [replace(rich_examples[0], positives=rich_examples[0].positives[:1]), *rich_examples[1:]]
    with pytest.raises(RecordError, match="positives were changed after scoring"):
        table_of(fewer)


def test_table_of_gives_new_examples_their_place_for_scores():
    example = MiningExample(id="a", query="q", positives=(Document(id="x", content="t"), Document(id="y", content="u")))
    assert table_of([example, example]).positive_offsets.tolist() == [0, 2, 4]


class TestCoded:
    def test_of_and_strings(self):
        column = DictionaryColumn.of(["b", "", "a", "b"])
        assert column.values == ("", "b", "a")
        assert column.codes.tolist() == [1, 0, 2, 1]
        assert column.strings() == ["b", "", "a", "b"]

    def test_concat_merges_values(self):
        column = DictionaryColumn.concat(
            [DictionaryColumn.of(["a"]), DictionaryColumn.empty(1), DictionaryColumn.of(["b", "a"])]
        )
        assert column.strings() == ["a", "", "b", "a"]
        assert column.values == ("", "a", "b")

    def test_take_and_where(self):
        column = DictionaryColumn.of(["a", "b"])
        assert column.take(np.array([1, -1, 0])).strings() == ["b", "", "a"]
        assert column.where(np.array([True, False]), "c").strings() == ["c", "b"]
        assert column.where(np.array([False, True]), "a").values == ("", "a", "b")
        assert DictionaryColumn.empty(0).take(np.array([-1, -1])).strings() == ["", ""]

    def test_too_many_values_are_an_error_and_do_not_wrap(self):
        strings = [str(number) for number in range(40_000)]
        with pytest.raises(RecordError, match="40,001"):
            DictionaryColumn.of(strings)
        with pytest.raises(RecordError, match="40,001"):
            DictionaryColumn.concat([DictionaryColumn.of(strings[:20_000]), DictionaryColumn.of(strings[20_000:])])
