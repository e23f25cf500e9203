from __future__ import annotations

import numpy as np
import pytest
from filelock import FileLock

from hardneg_plugin.cache import entries
from hardneg_plugin.errors import CacheError, DatasetError, ParameterError
from hardneg_plugin.search.dense import embedding_store as embeddings
from hardneg_plugin.search.dense.embedding_store import StoredVectors, store_key, stored_embeddings
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import exact_search, search_space
from hardneg_plugin.search.encoder import DualEncoder, load_model

TEXTS = ["red wine", "blue sky", "green grass", "the sea is blue", "a tea", "red apple", "water"]


class Counting:
    """Encodes a text as its length and its first letter; says what it was asked."""

    similarity_fn_name = "dot"

    def __init__(self, name="one", die_after=None):
        self.asked, self._name, self._left = [], name, die_after

    def identity(self, kind):
        return {"name": self._name, "kind": kind}

    def encode_query(self, inputs, *, batch_size, show_progress_bar):
        raise AssertionError("passages are no queries")

    def encode_document(self, inputs, *, batch_size, show_progress_bar):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
        self.asked.append(list(inputs))
        return np.array([[len(text), ord(text[0])] for text in inputs], dtype=np.float32)


EXPECTED = np.array([[len(text), ord(text[0])] for text in TEXTS], dtype=np.float32)


@pytest.fixture(autouse=True)
def shards_of_three(monkeypatch):
    monkeypatch.setattr(embeddings, "SHARD_ROWS", 3)


@pytest.fixture
def corpus(make_corpus):
    return make_corpus(TEXTS)


def stored(encoder, corpus):
    return stored_embeddings(encoder, corpus, batch_size=2)


def test_stored_vectors_are_measured_once_for_all_searches(corpus, monkeypatch):
    vectors = stored(Counting(), corpus)
    first = search_space(EXPECTED, vectors, 1, "cosine")
    monkeypatch.setattr(StoredVectors, "__getitem__", None)
    second = search_space(EXPECTED[:2], vectors, 1, "dot")
    assert second.passage_lengths is first.passage_lengths
    assert first.passage_lengths.tolist() == np.sqrt(np.square(EXPECTED.astype(np.float64)).sum(axis=1)).tolist()


def test_vectors_are_written_by_shard_and_read_back(corpus):
    vectors = stored(Counting(), corpus)
    assert sorted(path.name for path in vectors.folder.iterdir()) == [f"part-0000{number}.npy" for number in range(3)]
    assert (len(vectors), vectors.shape) == (7, (7, 2))
    np.testing.assert_array_equal(vectors[:], EXPECTED)
    assert [entry.kind for entry in entries() if entry.path == vectors.folder] == ["embeddings"]
    assert not [entry for entry in entries() if entry.key.startswith(".building")]


@pytest.mark.parametrize("rows", [slice(0, 2), slice(2, 4), slice(1, 7), slice(5, 99), slice(3, 3), slice(6, None)])
def test_slices_over_shards(corpus, rows):
    np.testing.assert_array_equal(stored(Counting(), corpus)[rows], EXPECTED[rows])


@pytest.mark.parametrize("rows", [[], [4], [6, 0, 3, 3, 1], [2, 5]])
def test_rows_in_any_order(corpus, rows):
    rows = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(stored(Counting(), corpus)[rows], EXPECTED[rows])


@pytest.mark.parametrize(("factor", "stored_as"), [(1.0, np.float16), (0.1, np.float32), (1e6, np.float32)])
def test_half_precision_where_it_loses_nothing(corpus, factor, stored_as):
    """Whole numbers up to 2,048 are exact in half precision; tenths are not, and millions are too large."""

    class Scaled(Counting):
        def encode_document(self, inputs, **options):
            return super().encode_document(inputs, **options) * np.float32(factor)

    vectors = stored(Scaled(str(factor)), corpus)
    assert np.load(embeddings.shard_path(vectors.folder, 0)).dtype == stored_as
    for found in (vectors[:], vectors[1:2], vectors[np.arange(7)]):
        assert found.dtype == np.float32
    np.testing.assert_array_equal(vectors[:], EXPECTED * np.float32(factor))


def test_a_shard_that_another_process_encodes_is_left_to_it(corpus):
    """The other process holds the lock of the second shard until all others are there, and then its part is there."""
    first = stored(Counting(), corpus)
    whole = embeddings.shard_path(first.folder, 1)
    parts = {number: embeddings.shard_path(first.folder, number).read_bytes() for number in range(3)}
    for number in (0, 1, 2):
        embeddings.shard_path(first.folder, number).unlink()
    lock = FileLock(whole.with_suffix(".lock"))
    lock.acquire()

    class Other(Counting):
        def encode_document(self, inputs, **options):
            if inputs == TEXTS[6:]:
                whole.write_bytes(parts[1])
                lock.release()
            return super().encode_document(inputs, **options)

    encoder = Other()
    np.testing.assert_array_equal(stored(encoder, corpus)[:], EXPECTED)
    assert encoder.asked == [TEXTS[:1], TEXTS[:3], TEXTS[6:]]
    assert sorted(path.suffix for path in first.folder.iterdir()) == [".npy"] * 3


def test_a_second_time_only_the_dimensions_are_asked_for(corpus):
    stored(Counting(), corpus)
    second = Counting()
    np.testing.assert_array_equal(stored(second, corpus)[:], EXPECTED)
    assert second.asked == [TEXTS[:1]]


def test_an_encoding_that_was_killed_goes_on_with_the_first_missing_shard(corpus):
    # One call for the dimensions, one for the first shard; the second shard is cut off.
    with pytest.raises(KeyboardInterrupt):
        stored(Counting(die_after=2), corpus)
    again = Counting()
    np.testing.assert_array_equal(stored(again, corpus)[:], EXPECTED)
    assert again.asked == [TEXTS[:1], TEXTS[3:6], TEXTS[6:]]


def damage_by_cutting(path):
    path.write_bytes(path.read_bytes()[:-4])


def damage_by_emptying(path):
    path.write_bytes(b"")


def damage_by_zeroing(path):
    path.write_bytes(bytes(len(path.read_bytes())))


def damage_by_another_shape(path):
    np.save(path, np.zeros((3, 5), dtype=np.float32))


def damage_by_another_type(path):
    np.save(path, np.zeros((3, 2), dtype=np.float64))


@pytest.mark.parametrize(
    "damage",
    [damage_by_cutting, damage_by_emptying, damage_by_zeroing, damage_by_another_shape, damage_by_another_type],
)
def test_a_damaged_shard_is_computed_again_with_a_warning(corpus, damage, caplog):
    damage(stored(Counting(), corpus).folder / "part-00001.npy")
    again = Counting()
    np.testing.assert_array_equal(stored(again, corpus)[:], EXPECTED)
    assert again.asked == [TEXTS[:1], TEXTS[3:6]]
    assert "part-00001.npy are damaged" in caplog.text


def test_a_shard_that_vanishes_afterwards_is_an_error(corpus):
    vectors = stored(Counting(), corpus)
    (vectors.folder / "part-00002.npy").unlink()
    np.testing.assert_array_equal(vectors[:6], EXPECTED[:6])
    with pytest.raises(CacheError, match=r"part-00002\.npy are missing or damaged"):
        vectors[6:]


def test_another_encoder_or_corpus_is_another_entry(corpus, make_corpus):
    other = make_corpus([*TEXTS, "one more"])
    keys = {store_key(Counting(), corpus), store_key(Counting("two"), corpus), store_key(Counting(), other)}
    assert len(keys) == 3


def test_an_empty_corpus_is_an_error(make_corpus):
    with pytest.raises(DatasetError, match="no passage to encode"):
        stored(Counting(), make_corpus([]))


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_stored_vectors_are_searched_as_an_array_is(make_corpus, similarity):
    corpus = make_corpus([" " * (number % 13) + chr(97 + number % 7) for number in range(100)])
    vectors = stored(Counting(), corpus)
    assert isinstance(vectors, StoredVectors)
    queries = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    expected = exact_search(queries, vectors[:], 9, similarity)
    for hits in (
        exact_search(queries, vectors, 9, similarity),
        nearest(search_space(queries, vectors, 9, similarity), 9),
    ):
        np.testing.assert_array_equal(hits.rows, expected.rows)
        np.testing.assert_array_equal(hits.scores, expected.scores)


# Checkpoints: the vectors of one are never taken for another's


def test_two_checkpoints_of_the_same_name_have_vectors_of_their_own(corpus, make_static, tmp_path):
    found = []
    for number in (1, 2):
        folder = tmp_path / f"run-{number}" / "checkpoint"
        make_static(seed=number).save(str(folder), create_model_card=False)
        model = load_model(str(folder))
        vectors = stored(DualEncoder(model), corpus)
        np.testing.assert_array_equal(vectors[:], model.encode_document(TEXTS))
        found.append(vectors)
    assert found[0].folder != found[1].folder
    assert not np.allclose(found[0][:], found[1][:])


def test_a_checkpoint_that_was_overwritten_gets_new_vectors(corpus, make_static, tmp_path):
    for number in (1, 2):
        make_static(seed=number).save(str(tmp_path / "checkpoint"), create_model_card=False)
        model = load_model(str(tmp_path / "checkpoint"))
        np.testing.assert_array_equal(stored(DualEncoder(model), corpus)[:], model.encode_document(TEXTS))


def test_a_model_that_was_trained_in_this_process_gets_new_vectors(corpus, make_static):
    import torch

    model = make_static()
    encoder = DualEncoder(model)
    before = stored(encoder, corpus)
    with torch.no_grad():
        model[0].embedding.weight *= torch.linspace(0.5, 2, 8)
    after = stored(encoder, corpus)
    np.testing.assert_array_equal(after[:], model.encode_document(TEXTS))
    assert not np.allclose(before[:], after[:])


@pytest.mark.parametrize("row", [0, 63, 64, 199])
def test_a_single_number_that_half_precision_loses_keeps_the_whole_shard_as_it_is(row):
    vectors = np.ones((200, 3), np.float32)
    assert embeddings._halved(vectors).dtype == np.float16
    vectors[row, 2] = 0.1
    assert embeddings._halved(vectors) is vectors


# Vectors that are no numbers


class Overflowing(Counting):
    """Gives NaN for some texts in batches above a size.

    :param above: The largest batch that is right.
    """

    def __init__(self, above, broken="blue"):
        super().__init__()
        self._above, self._broken = above, broken

    def encode_document(self, inputs, *, batch_size, show_progress_bar):
        vectors = super().encode_document(inputs, batch_size=batch_size, show_progress_bar=show_progress_bar)
        for row, text in enumerate(inputs):
            if self._broken in text and min(batch_size, len(inputs)) > self._above:
                vectors[row, 1] = np.nan
        return vectors


def test_a_smaller_batch_is_tried_before_giving_up(corpus, caplog):
    encoder = Overflowing(above=1)
    np.testing.assert_array_equal(stored_embeddings(encoder, corpus, batch_size=32)[:], EXPECTED)
    assert "vectors of 1 passages have NaN or infinite values; batches of 4 are tried" in caplog.text
    # The other texts of the batch are not encoded again; the first tells the dimensions, the last shard has one text.
    alone = [["red wine"], ["blue sky"], ["the sea is blue"], ["water"]]
    assert [asked for asked in encoder.asked if len(asked) == 1] == alone


def test_passages_that_have_no_vector_are_named_and_nothing_of_them_is_cached(corpus):
    with pytest.raises(ParameterError, match=r"1 of 3 passages have vectors with NaN .*alone: 'd1'; nothing"):
        stored(Overflowing(above=0), corpus)
    assert [entry.size for entry in entries() if entry.kind == "embeddings"] in ([], [0])
    again = Overflowing(above=0, broken="nowhere")
    np.testing.assert_array_equal(stored(again, corpus)[:], EXPECTED)
