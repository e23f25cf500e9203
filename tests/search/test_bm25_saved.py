"""Indexes are exchanged with bm25s in both directions."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest
from click.testing import CliRunner

from hardneg_plugin import cache
from hardneg_plugin.cli import main
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.search.bm25.index import BM25Index
from hardneg_plugin.search.bm25.saved import SavedBM25Index, export_index

TEXTS = ["a river carries sand to the sea", "bees dance", "the nile flows north", "a hive holds one queen bee"]
QUERIES = ["where does the nile flow", "queen of the hive", "xyzzy"]


@pytest.fixture
def saved(tmp_path):
    """An index that bm25s built of its own tokens and saved."""
    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(TEXTS, stopwords=None, show_progress=False), show_progress=False)
    index.save(tmp_path / "saved", show_progress=False)
    return tmp_path / "saved"


def test_an_index_that_bm25s_saved_gives_the_hits_of_bm25s(saved):
    hits = SavedBM25Index(saved, len(TEXTS)).search(QUERIES, None, 3)
    peer = bm25s.BM25.load(saved, load_vocab=True)
    tokens = bm25s.tokenize(QUERIES[:2], stopwords=None, return_ids=False, show_progress=False)
    expected = peer.retrieve(tokens, k=3, show_progress=False)
    found = expected.scores > 0
    np.testing.assert_array_equal(hits.rows[:2], np.where(found, expected.documents, -1))
    np.testing.assert_array_equal(hits.scores[:2], np.where(found, expected.scores, np.nan))
    # "nile" and "the" are in passage 2; no passage has the third query's only word.
    assert hits.rows[0, 0] == 2
    assert hits.rows[2].tolist() == [-1, -1, -1]


def test_our_index_is_exported_to_bm25s_and_gives_the_same_hits(make_corpus, tmp_path):
    corpus = make_corpus(TEXTS)
    ours = BM25Index(corpus).search(QUERIES, None, 3)
    (entry,) = [entry for entry in cache.entries() if entry.kind == "bm25"]
    result = CliRunner().invoke(main, ["cache", "export", f"bm25/{entry.key[:8]}", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    theirs = SavedBM25Index(tmp_path / "out", len(TEXTS)).search(QUERIES, None, 3)
    np.testing.assert_array_equal(theirs.rows, ours.rows)
    np.testing.assert_allclose(theirs.scores, ours.scores, rtol=1e-6)
    assert set(bm25s.BM25.load(tmp_path / "out", load_vocab=True).vocab_dict) >= {"nile", "queen"}


def test_an_index_of_other_passages_is_refused(saved):
    with pytest.raises(DatasetError, match="is of 4 passages, the corpus has 5"):
        SavedBM25Index(saved, 5)


def test_a_folder_without_an_index_is_refused_by_its_missing_files(tmp_path):
    with pytest.raises(ParameterError, match=r"expected data\.csc\.index\.npy"):
        SavedBM25Index(tmp_path, 4)


def test_queries_without_a_known_word_are_an_error_and_no_empty_result(saved):
    with pytest.raises(DatasetError, match="no word of the 2 queries is in the index"):
        SavedBM25Index(saved, 4).search(["xyzzy", "plugh"], None, 3)


def test_an_export_never_mixes_with_other_files(saved, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ParameterError, match="is not empty"):
        export_index(saved, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
