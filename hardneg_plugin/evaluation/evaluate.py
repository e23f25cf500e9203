"""Evaluate anything that retrieves: a trained model, BM25, or a function of your own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, cast

from hardneg_plugin.datasets.rows import Query
from hardneg_plugin.errors import EvaluationError
from hardneg_plugin.evaluation.metrics import (
    METRICS,
    LanguageScores,
    Scores,
    by_language,
    cutoff_of,
    parse_metrics,
    score,
)
from hardneg_plugin.evaluation.runs import PassageIds, Qrels, Run, hits_to_run
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.search.dense.search import Encoder, Vectors, encode, encode_corpus, exact_search, similarity_of
from hardneg_plugin.search.encoder import DualEncoder
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.models import load_sentence_transformer
from hardneg_plugin.search.prompt_families import tell_missing_prompts
from hardneg_plugin.search.token_cache import encode_tokens, sums_token_vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Retriever = Callable[[Sequence[str], Sequence[str], int], Hits]
"""Query texts, their languages, and ``k`` → the ``k`` best rows of the corpus for each query."""


class CorpusTexts(Protocol):
    """The part of a corpus that encoding needs."""

    def __len__(self) -> int: ...

    def iter_texts(self) -> Iterator[str]:
        """Yield the passages in the order of their rows."""


@dataclass(frozen=True)
class Evaluation:
    """One system on one split.

    :param scores: Values per query, and what was counted.
    :param by_language: Language → means.
    :param seconds: Wall-clock time of the retrieval, without that of encoding or indexing the corpus.
    :param run: The results behind the scores: query id → passage id → score, best first.
    """

    scores: Scores
    by_language: Mapping[str, LanguageScores]
    seconds: float
    run: Run


def evaluate_retriever(
    retriever: Retriever,
    queries: Sequence[Query],
    qrels: Qrels,
    passage_ids: PassageIds,
    *,
    metrics: Sequence[str] = METRICS,
    relevance: int = 1,
    k: int = 100,
    passages: int | None = None,
) -> Evaluation:
    """Retrieve for every judged query, and score.

    :param retriever: The system.
    :param queries: Queries of the dataset; those without a judgement are not searched.
    :param qrels: Judgements of one split.
    :param passage_ids: Gives the ids of corpus rows.
    :param metrics: Names of metrics as ir_measures spells them. One without a cutoff looks at the first ``k`` results.
    :param relevance: Lowest grade that counts as relevant in binary metrics.
    :param k: Results per query.
    :param passages: Passages of the corpus: no more results are asked for; None does not know.
    :returns: Scores, means per language, time and run.
    :raises EvaluationError: For metrics that are unknown or look deeper than ``k``, for judged queries without a text,
        and when the retriever's hits have another shape than ``(queries, k)``.
    """
    deeper = [str(measure) for measure in parse_metrics(metrics, relevance) if cutoff_of(measure) > k]
    if deeper:
        msg = f"{', '.join(deeper)} cannot be measured on k={k} results per query"
        raise EvaluationError(msg)
    judged = [query for query in queries if query.id in qrels]
    missing = sorted(set(qrels) - {query.id for query in judged})
    if missing:
        msg = f"{len(missing)} judged queries are not among the queries, the first is {missing[0]!r}"
        raise EvaluationError(msg)
    if not judged:
        msg = "there are no judgements to evaluate on"
        raise EvaluationError(msg)
    started = perf_counter()
    depth = k if passages is None else min(k, passages)
    hits = retriever([query.text for query in judged], [query.language for query in judged], depth)
    seconds = perf_counter() - started
    _check_shape(hits, (len(judged), depth))
    run = hits_to_run(hits, [query.id for query in judged], passage_ids)
    scores = score(run, qrels, metrics, relevance)
    languages = {query.id: query.language for query in judged}
    return Evaluation(scores=scores, by_language=by_language(scores, languages), seconds=seconds, run=run)


def model_retriever(
    model: Encoder | str | Path,
    corpus: CorpusTexts,
    *,
    batch_size: int = 32,
    query_prompt: str | None = None,
    passage_prompt: str | None = None,
) -> Retriever:
    """Make a retriever of a dual encoder; the corpus is encoded here, once.

    :param model: A ``SentenceTransformer``, or the folder or Hub name of one.
    :param corpus: The passages; at most some thousand texts are held at a time.
    :param batch_size: Texts per forward pass.
    :param query_prompt: Text in front of each query; None takes the model's own.
    :param passage_prompt: Text in front of each passage; likewise.
    :returns: Exact search by the similarity that the model declares.
    :raises ParameterError: For a model whose similarity cannot be searched or whose vectors hold NaN.
    :raises ModelError: When no model can be loaded from the folder or name.
    """
    encoder = load_sentence_transformer(str(model)) if isinstance(model, str | Path) else model
    if isinstance(model, str | Path):
        tell_missing_prompts(str(model), getattr(encoder, "prompts", {}), query_prompt, passage_prompt)
    if query_prompt is not None or passage_prompt is not None:
        encoder = DualEncoder(
            cast("SentenceTransformer", encoder), query_prompt=query_prompt, passage_prompt=passage_prompt
        )
    similarity = similarity_of(encoder)
    passages = _encode(encoder, corpus, batch_size)

    def retrieve(texts: Sequence[str], languages: Sequence[str], k: int) -> Hits:
        return exact_search(encode(encoder, texts, kind="query", batch_size=batch_size), passages, k, similarity)

    return retrieve


def _encode(encoder: Encoder, corpus: CorpusTexts, batch_size: int) -> Vectors:
    if isinstance(corpus, Corpus) and len(corpus) and sums_token_vectors(encoder):
        return encode_tokens(cast("SentenceTransformer", encoder), corpus)
    return encode_corpus(encoder, corpus.iter_texts(), len(corpus), batch_size=batch_size)


def _check_shape(hits: Hits, expected: tuple[int, int]) -> None:
    if hits.rows.shape != expected or hits.scores.shape != expected:
        msg = f"the retriever must return hits of shape {expected}, got {hits.rows.shape} and {hits.scores.shape}"
        raise EvaluationError(msg)
