from __future__ import annotations

import numpy as np
import pytest
from haystack.dataclasses import Document

from hardneg_plugin.records import CandidateTable, MiningExample, merge_source, with_table
from hardneg_plugin.records.dictionary_column import DictionaryColumn

TEXTS = ["red wine", "blue sky", "green grass", "white snow", "검은 밤", "ليل أسود"]


def floats(*values):
    return np.array(values, dtype=np.float32)


@pytest.fixture
def corpus(make_corpus):
    """Six passages ``d0`` to ``d5``."""
    return make_corpus(TEXTS)


@pytest.fixture
def rich_examples(corpus):
    """Four examples that use all there is.

    ``e0`` has d0, d1, d3 of two sources, with scores, verdicts and a dropped row; ``e1`` has nothing; ``e2`` has d5 and
    two documents of its own, one without content; ``e3`` has one of its own.
    """
    positives = (
        Document(id="d2", content="green grass", meta={"language": "en"}),
        Document(id="d4", content="검은 밤"),
    )
    examples = [
        MiningExample(id="e0", query="what is red?", positives=positives, language="en", answers=("wine", "와인")),
        MiningExample(id="e1", query="빈 질문", positives=(Document(id="d0", content="red wine"),), language="ko"),
        MiningExample(id="e2", query="a line\u2028parted\nby two", meta={"fold": 3, "deep": {"a": [1, None]}}),
        MiningExample(id="e3", query="ما هذا؟", positives=(Document(id="d1", content="blue sky"),)),
    ]
    table = CandidateTable.empty([2, 1, 0, 1])
    rows = np.array([[0, 1], [-1, -1], [5, -1], [-1, -1]])
    table = merge_source(table, "bm25", corpus, rows, floats([9.5, 0.1], [np.nan] * 2, [3, np.nan], [np.nan] * 2))
    rows = np.array([[3, 0], [-1, -1], [-1, -1], [-1, -1]])
    table = merge_source(table, "dense:m/x", corpus, rows, np.full((4, 2), np.nan, dtype=np.float32))
    # Rows so far: e0: d0, d1, d3; e2: d5. Two of its own go behind d5, one to e3.
    generated = Document(content="made up \U0001f600", meta={"prompt": "p"}, score=0.25)
    table = CandidateTable(
        offsets=np.array([0, 3, 3, 6, 7]),
        passages=np.array([0, 1, 3, 5, -1, -2, -3]),
        positive_offsets=table.positive_offsets,
        corpus=corpus,
        own=(generated, Document(id="empty", content=None, meta={"file": "x"}), Document(id="o3", content="third")),
        ranks={
            "bm25": np.array([1, 2, 0, 1, 0, 0, 0], dtype=np.int32),
            "dense:m/x": np.array([2, 0, 1, 0, 0, 0, 0], dtype=np.int32),
            "generated:l": np.array([0, 0, 0, 0, 1, 2, 1], dtype=np.int32),
        },
        source_scores={
            "bm25": np.append(table.source_scores["bm25"], [np.nan] * 3).astype(np.float32),
            "dense:m/x": np.full(7, np.nan, dtype=np.float32),
            "generated:l": np.full(7, np.nan, dtype=np.float32),
        },
        scores={"ce": floats(0.1, np.nan, -2.5, np.nan, 1e-20, np.nan, np.nan)},
        positive_scores={"ce": floats(0.9, np.nan, 0.5, np.nan)},
        label_score=floats(0.75, *[np.nan] * 6),
        label=DictionaryColumn.of(["false_negative", "hard", "", "", "", "", "hard"]),
        judge=DictionaryColumn.of(["llama", "llama", "", "", "", "", "gpt"]),
        prompt=DictionaryColumn.of(["ab12", "ab12", "", "", "", "", ""]),
        dropped=DictionaryColumn.of(["positive: text", "", "", "margin", "", "", ""]),
    )
    return with_table(examples, table)


@pytest.fixture
def plain_examples(corpus):
    """Two examples without positives whose candidates are d0, d1 and d1, d2 by bm25."""
    examples = [MiningExample(id="a", query="first"), MiningExample(id="b", query="second")]
    rows, scores = np.array([[0, 1], [1, 2]]), floats([2, 1], [4, 3])
    return with_table(examples, merge_source(CandidateTable.empty([0, 0]), "bm25", corpus, rows, scores))
