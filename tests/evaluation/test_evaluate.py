import numpy as np
import pytest

from hardneg_plugin.datasets.rows import Query
from hardneg_plugin.errors import EvaluationError, ModelError
from hardneg_plugin.evaluation.evaluate import evaluate_retriever, model_retriever
from hardneg_plugin.search.hits import Hits

PASSAGES = ["aa", "b", "ab"]
QUERIES = [Query("q1", "a", "en"), Query("q2", "b", "de"), Query("train-1", "x", "en")]
QRELS = {"q1": {"p2": 1}, "q2": {"p1": 1}}


class Corpus:
    def __len__(self):
        return len(PASSAGES)

    def iter_texts(self):
        return iter(PASSAGES)


class LetterCounts:
    """Counts of a and b; remembers what it encoded."""

    similarity_fn_name = "cosine"

    def __init__(self):
        self.passages = []

    def encode_query(self, inputs, *, batch_size, show_progress_bar):
        return np.array([[text.count("a"), text.count("b")] for text in inputs], dtype=np.float32)

    def encode_document(self, inputs, *, batch_size, show_progress_bar):
        self.passages.extend(inputs)
        return self.encode_query(inputs, batch_size=batch_size, show_progress_bar=show_progress_bar)


def ids(rows):
    return [f"p{row}" for row in rows]


def fixed(texts, languages, k):
    assert (texts, languages, k) == (["a", "b"], ["en", "de"], 3)
    rows = np.array([[0, 2, 1], [1, -1, -1]])
    return Hits(rows, np.where(rows < 0, np.nan, -np.arange(3)).astype(np.float32))


def test_a_retriever_is_asked_for_the_judged_queries_only():
    found = evaluate_retriever(fixed, QUERIES, QRELS, ids, metrics=["RR@3"], k=3)
    assert found.scores.per_query == {"RR@3": {"q1": 1 / 2, "q2": 1.0}}
    assert {language: part.means["RR@3"] for language, part in found.by_language.items()} == {"de": 1.0, "en": 0.5}
    assert found.run == {"q1": {"p0": 0.0, "p2": -1.0, "p1": -2.0}, "q2": {"p1": 0.0}}
    assert found.seconds >= 0


def test_a_model_encodes_the_corpus_once_and_searches_it_exactly():
    model = LetterCounts()
    retriever = model_retriever(model, Corpus())
    for _ in range(2):
        found = evaluate_retriever(retriever, QUERIES, QRELS, ids, metrics=["RR@3"], k=3)
        # "a" is nearest to "aa" (cosine 1), then "ab" (.71); "b" is nearest to "b".
        assert found.scores.per_query == {"RR@3": {"q1": 1 / 2, "q2": 1.0}}
    assert model.passages == PASSAGES


@pytest.mark.parametrize(
    ("queries", "qrels", "metrics", "message"),
    [
        (QUERIES, QRELS, ["R@2", "R@5", "nDCG@10"], r"R@5, nDCG@10 cannot be measured on k=3"),
        (QUERIES[:1], QRELS, ["R@1"], r"1 judged queries are not among the queries, the first is 'q2'"),
        (QUERIES, {}, ["R@1"], "no judgements"),
    ],
)
def test_what_cannot_be_evaluated_is_named(queries, qrels, metrics, message):
    with pytest.raises(EvaluationError, match=message):
        evaluate_retriever(fixed, queries, qrels, ids, metrics=metrics, k=3)


def test_hits_of_another_shape_are_refused():
    hits = Hits(np.zeros((2, 1), dtype=np.int64), np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(EvaluationError, match=r"shape \(2, 3\), got \(2, 1\)"):
        evaluate_retriever(lambda *_: hits, QUERIES, QRELS, ids, metrics=["R@1"], k=3)


@pytest.mark.integration
def test_a_folder_without_a_model_is_named(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match=r"no sentence-transformers model .*model'"):
        model_retriever(tmp_path / "model", Corpus())


@pytest.mark.integration
def test_a_saved_static_model_is_loaded_and_its_similarity_used(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.array([[0, 0], [3, 0], [1, 1]], dtype=np.float32)
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu", similarity_fn_name="dot"
    )
    model.save(str(tmp_path / "model"))
    hits = model_retriever(tmp_path / "model", Corpus())(["b", "a"], ["", ""], 2)
    # Only the passage "b" has a known word; the other two are unknown, a zero vector, and tie in row order.
    assert hits.rows.tolist() == [[1, 0], [1, 0]]
    assert hits.scores.tolist() == [[2, 0], [3, 0]]
