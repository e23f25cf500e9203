"""BM25NegativeMiner searches an index that bm25s saved."""

from __future__ import annotations

import bm25s
import pytest
from haystack import Document
from haystack.core.serialization import component_from_dict, component_to_dict
from haystack.document_stores.in_memory import InMemoryDocumentStore

from hardneg_plugin import BM25NegativeMiner, load_dataset
from hardneg_plugin.errors import DatasetError, ParameterError
from hardneg_plugin.recipe.schema import Stage
from hardneg_plugin.recipe.stages import stage_fingerprint


def save_index(folder, texts):
    """Save an index that bm25s built of its own tokens."""
    index = bm25s.BM25(method="lucene", k1=0.5, b=0.1)
    index.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
    index.save(folder, show_progress=False)
    return str(folder)


@pytest.fixture
def texts(spec):
    corpus = load_dataset(spec).corpus
    return corpus.texts(range(len(corpus)))


def test_the_ranks_and_scores_are_those_of_the_saved_index(spec, examples, texts, tmp_path):
    folder = save_index(tmp_path / "saved", texts)
    after = BM25NegativeMiner(spec, top_k=3, index=folder).run(examples=examples[:1])["examples"]
    tokens = bm25s.tokenize([examples[0].query], stopwords=None, return_ids=False, show_progress=False)
    peer = bm25s.BM25.load(folder, load_vocab=True).retrieve(tokens, k=3, show_progress=False)
    ids = load_dataset(spec).corpus.ids(range(len(texts)))
    expected = {ids[row]: score for row, score in zip(peer.documents[0], peer.scores[0], strict=True) if score > 0}
    found = {one.id: one.sources["bm25"].score for one in after[0].candidates}
    assert found == pytest.approx(expected)
    assert next(iter(found)) == "p1"


def test_a_closed_miner_opens_the_index_again(spec, examples, texts, tmp_path):
    miner = BM25NegativeMiner(spec, top_k=3, index=save_index(tmp_path / "saved", texts))
    before = miner.run(examples=examples)["examples"]
    miner.close()
    assert miner.run(examples=examples)["examples"] == before


def test_an_index_of_other_passages_or_no_folder_is_refused(spec, examples, texts, tmp_path):
    other = BM25NegativeMiner(spec, index=save_index(tmp_path / "saved", texts[1:]))
    with pytest.raises(DatasetError, match=f"is of {len(texts) - 1} passages, the corpus has {len(texts)}"):
        other.run(examples=examples)
    with pytest.raises(ParameterError, match="index: there is no folder .*nowhere"):
        BM25NegativeMiner(spec, index=str(tmp_path / "nowhere")).run(examples=examples)


def test_a_fingerprint_stands_for_the_files_of_the_index_and_not_for_its_place(spec, texts, tmp_path):
    def key(folder):
        return stage_fingerprint(Stage("bm25", {}), {"corpus": spec, "index": folder}, spec, "before")

    saved, copy = (save_index(tmp_path / name, texts) for name in ("saved", "copy"))
    first = key(saved)
    assert key(copy) == first
    save_index(tmp_path / "saved", list(reversed(texts)))
    assert key(saved) != first


def test_the_index_is_written_to_yaml_and_read_again(spec, texts, tmp_path):
    miner = BM25NegativeMiner(spec, index=save_index(tmp_path / "saved", texts))
    written = component_to_dict(miner, "miner")
    assert component_from_dict(BM25NegativeMiner, written, "miner").index == str(tmp_path / "saved")


def test_an_index_of_fewer_passages_stays_refused_once_the_store_has_grown(examples, texts, tmp_path):
    store = InMemoryDocumentStore()
    store.write_documents([Document(id=f"{number:02}", content=text) for number, text in enumerate(texts)])
    miner = BM25NegativeMiner(store, index=save_index(tmp_path / "saved", texts))
    miner.run(examples=examples)
    store.write_documents([Document(id="later", content="later")])
    for _ in range(2):
        with pytest.raises(DatasetError, match=f"the corpus has {len(texts) + 1}"):
            miner.run(examples=examples)
