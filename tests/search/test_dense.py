import numpy as np
import pytest

from hardneg_plugin.errors import ParameterError
from hardneg_plugin.search.dense import search as dense
from hardneg_plugin.search.dense.search import encode, encode_corpus, exact_search, similarity_of

PASSAGES = np.array([[1, 0], [0, 2], [3, 4], [0, 0]], dtype=np.float32)


class LetterCounts:
    """Counts of a and b; queries count double, so that the two encoders can be told apart."""

    similarity_fn_name = "dot"

    def encode_query(self, inputs, *, batch_size, show_progress_bar):
        return 2 * self.encode_document(inputs, batch_size=batch_size, show_progress_bar=show_progress_bar)

    def encode_document(self, inputs, *, batch_size, show_progress_bar):
        return np.array([[text.count("a"), text.count("b")] for text in inputs], dtype=np.float64)


def by_hand(queries, passages, k, similarity):
    """Every similarity in float64, rounded to float32, sorted by score and then by row."""
    queries, passages = queries.astype(np.float64), passages.astype(np.float64)
    scores = np.empty((len(queries), len(passages)))
    for i, query in enumerate(queries):
        for j, passage in enumerate(passages):
            scores[i, j] = {
                "dot": lambda q, p: np.sum(q * p),
                "cosine": lambda q, p: np.sum(q * p) / (np.sqrt(np.sum(q * q)) * np.sqrt(np.sum(p * p))),
                "euclidean": lambda q, p: -np.sqrt(np.sum((q - p) ** 2)),
            }[similarity](query, passage)
    scores = scores.astype(np.float32)
    rows = [sorted(range(len(passages)), key=lambda row, line=line: (-line[row], row))[:k] for line in scores]
    return np.array(rows), np.take_along_axis(scores, np.array(rows), axis=1)


def test_dot_prefers_long_vectors():
    hits = exact_search(np.array([[1, 1]], dtype=np.float32), PASSAGES, 3, "dot")
    assert hits.rows.tolist() == [[2, 1, 0]]
    assert hits.scores.tolist() == [[7.0, 2.0, 1.0]]


def test_cosine_ignores_lengths_and_gives_a_zero_vector_zero():
    hits = exact_search(np.array([[3, 4], [-2, 0], [0, 0]], dtype=np.float32), PASSAGES, 4, "cosine")
    assert hits.rows.tolist() == [[2, 1, 0, 3], [1, 3, 2, 0], [0, 1, 2, 3]]
    np.testing.assert_allclose(hits.scores, [[1, 0.8, 0.6, 0], [0, 0, -0.6, -1], [0, 0, 0, 0]], atol=1e-7)


def test_euclidean_is_the_negative_distance():
    hits = exact_search(np.array([[0, 0]], dtype=np.float32), PASSAGES, 4, "euclidean")
    assert hits.rows.tolist() == [[3, 0, 1, 2]]
    assert hits.scores.tolist() == [[0, -1, -2, -5]]


def test_a_small_corpus_leaves_padding_at_the_end():
    hits = exact_search(np.array([[1, 0]], dtype=np.float32), PASSAGES[:2], 4, "dot")
    assert hits.rows.tolist() == [[0, 1, -1, -1]]
    assert hits.scores[0, :2].tolist() == [1, 0]
    assert np.isnan(hits.scores[0, 2:]).all()
    assert (hits.rows.dtype, hits.scores.dtype) == (np.int64, np.float32)


def test_no_queries_give_no_rows():
    assert exact_search(np.empty((0, 2), dtype=np.float32), PASSAGES, 3, "dot").rows.shape == (0, 3)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("blocks", [(256, 32_768), (3, 7), (1, 50), (8, 1)])
def test_blocks_never_change_rows_or_scores_and_copies_tie_in_row_order(similarity, blocks, monkeypatch):
    monkeypatch.setattr(dense, "_QUERY_BLOCK", blocks[0])
    monkeypatch.setattr(dense, "_PASSAGE_BLOCK", blocks[1])
    generator = np.random.default_rng(5)
    originals = generator.standard_normal((40, 33)).astype(np.float32)
    passages = originals[generator.integers(0, 40, 150)]
    queries = generator.standard_normal((11, 33)).astype(np.float32)
    rows, scores = by_hand(queries, passages, 10, similarity)
    hits = exact_search(queries, passages, 10, similarity)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_near_ties_far_from_the_origin_are_ranked_exactly(similarity, monkeypatch):
    """A float32 product cannot tell these passages apart: their differences are below its rounding error."""
    monkeypatch.setattr(dense, "_PASSAGE_BLOCK", 64)
    generator = np.random.default_rng(6)
    passages = (1000 + generator.standard_normal((300, 16)) * 1e-3).astype(np.float32)
    queries = (1000 + generator.standard_normal((4, 16)) * 1e-3).astype(np.float32)
    rows, scores = by_hand(queries, passages, 5, similarity)
    hits = exact_search(queries, passages, 5, similarity)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize(
    ("queries", "passages", "k", "similarity", "message"),
    [
        (np.zeros((1, 3)), PASSAGES, 1, "dot", r"got shapes \(1, 3\) and \(4, 2\)"),
        (PASSAGES, PASSAGES, 0, "dot", "k must be at least 1, got 0"),
        (PASSAGES, PASSAGES[:0], 1, "dot", "at least one passage"),
        (PASSAGES, PASSAGES, 1, "manhattan", "one of cosine, dot, euclidean, got 'manhattan'"),
        (PASSAGES, np.array([[0, 1], [np.nan, 1]]), 1, "dot", "1 passage vectors .* row 1"),
        (np.array([[np.inf, 1]]), PASSAGES, 1, "dot", "1 query vectors .* row 0"),
    ],
)
def test_bad_input_is_named(queries, passages, k, similarity, message):
    with pytest.raises(ParameterError, match=message):
        exact_search(queries.astype(np.float32), passages.astype(np.float32), k, similarity)


def test_encode_asks_the_encoder_of_the_kind():
    assert encode(LetterCounts(), ["ab", "bb"], kind="query").tolist() == [[2, 2], [0, 4]]
    vectors = encode(LetterCounts(), ["ab", "bb"], kind="passage")
    assert vectors.tolist() == [[1, 1], [0, 2]]
    assert vectors.dtype == np.float32


def test_encode_refuses_no_texts_and_other_kinds():
    with pytest.raises(ParameterError, match="at least one text"):
        encode(LetterCounts(), [], kind="query")
    with pytest.raises(ParameterError, match="one of query, passage, got 'document'"):
        encode(LetterCounts(), ["a"], kind="document")


def test_a_corpus_is_encoded_in_blocks(monkeypatch):
    monkeypatch.setattr(dense, "_TEXT_BLOCK", 2)
    texts = ["a", "b", "ab", "bb", "aa"]
    assert encode_corpus(LetterCounts(), iter(texts), 5).tolist() == [[1, 0], [0, 1], [1, 1], [0, 2], [2, 0]]


@pytest.mark.parametrize(("texts", "count", "got"), [(["a"], 2, 1), (["a", "b", "a"], 2, 3), ([], 0, 0)])
def test_a_corpus_of_another_size_is_refused(texts, count, got):
    with pytest.raises(ParameterError, match=f"expected {count} passages .* got {got}"):
        encode_corpus(LetterCounts(), texts, count)


def test_the_model_names_its_similarity():
    assert similarity_of(LetterCounts()) == "dot"
    manhattan = LetterCounts()
    manhattan.similarity_fn_name = "manhattan"
    with pytest.raises(ParameterError, match="got 'manhattan'"):
        similarity_of(manhattan)
