"""Mining negatives again while a model is trained, by the same search and the same filters as before it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import xxhash
from haystack import Document
from haystack.document_stores.types import DocumentStore
from numpy.typing import NDArray

from hardneg_plugin.components.checked import check_arguments
from hardneg_plugin.components.known_positive_filter import KnownPositiveFilter
from hardneg_plugin.components.negative_sampler import NegativeSampler
from hardneg_plugin.components.positive_aware_filter import PositiveAwareFilter
from hardneg_plugin.datasets.examples import JUDGED_RELEVANT
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.mining.dense_scores import DenseScorer
from hardneg_plugin.mining.text_index import TextIndex, padded
from hardneg_plugin.records import CandidateTable, Corpus, MiningExample, table_of, with_scores, with_table
from hardneg_plugin.records.merge import merge_source
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import Vectors, encode, encode_corpus, search_space, similarity_of
from hardneg_plugin.search.distinct import distinct_hits
from hardneg_plugin.search.token_cache import encode_tokens, sums_token_vectors
from hardneg_plugin.text.equal_texts import EqualTexts
from hardneg_plugin.training.columns import ANCHOR, POSITIVE, find_columns
from hardneg_plugin.training.refresh import Mined, Refresh, check_interval
from hardneg_plugin.validation import Count, NotNegative, NotZeroShare

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Mode = Literal["full", "query_side"]
Ints = NDArray[np.int64]
_NAME = "SentenceTransformersTrainer: refresh"
_SOURCE = "refresh"
_INTERVAL = ("every_steps", "every_epochs")
_KNOWN = ("positive: ", "query: text")


@dataclass(frozen=True)
class RefreshOptions:
    """Options of the mining at each refresh.

    :param mode: ``full`` encodes queries and passages with the current weights; ``query_side`` encodes the queries, and
        searches passage vectors of the weights before the first step.
    :param top_k: Passages that are found for each query.
    :param num_negatives: Negatives that are kept of them, best rank first.
    :param relative_margin: Keep those that score below this share under the positive alone; None keeps all.
    :param rank_from: First rank that is kept.
    :param near_duplicate: See :class:`~hardneg_plugin.KnownPositiveFilter`.
    :param batch_size: Texts per forward pass.
    :raises ParameterError: If one is out of range.
    """

    mode: Mode = "full"
    top_k: Count = 50
    num_negatives: Count = 4
    relative_margin: NotNegative | None = None
    rank_from: Count = 1
    near_duplicate: NotZeroShare | None = 0.9
    batch_size: Count = 64

    def __post_init__(self) -> None:
        check_arguments(_NAME, RefreshOptions, vars(self))


def check_refresh(refresh: object, corpus: str | DocumentStore | None) -> None:
    """Check the parameter ``refresh`` of the trainer.

    :raises ParameterError: If a key is unknown, a value cannot work, or there is no corpus to mine from.
    """
    if refresh is None:
        return
    if not isinstance(refresh, Mapping):
        msg = f"{_NAME} must be a mapping, got {refresh!r}"
        raise ParameterError(msg)
    known = [*_INTERVAL, *inspect.signature(RefreshOptions).parameters]
    if unknown := [key for key in refresh if key not in known]:
        msg = f"{_NAME} has no key {', '.join(map(repr, unknown))}; known keys: {', '.join(known)}"
        raise ParameterError(msg)
    check_interval(*(refresh.get(name) for name in _INTERVAL))
    _options(refresh)
    if corpus is None:
        msg = f"{_NAME} mines from a corpus; give corpus"
        raise ParameterError(msg)


def build_refresh(
    refresh: Mapping[str, Any], corpus: Corpus, triplets: Any, examples: Iterable[MiningExample]
) -> Refresh:
    """Return what :func:`hardneg_plugin.train` takes as ``refresh``.

    :param refresh: A mapping that :func:`check_refresh` accepts.
    :param corpus: The passages to mine from.
    :param triplets: The training table.
    :param examples: Examples of its queries: their positives and what is judged relevant in them are no negatives.
    """
    interval = {name: refresh.get(name) for name in _INTERVAL}
    return Refresh(RefreshMiner(corpus, triplets, _options(refresh), examples), **interval)


def _options(refresh: Mapping[str, Any]) -> RefreshOptions:
    return RefreshOptions(**{key: value for key, value in refresh.items() if key not in _INTERVAL})


class RefreshMiner:
    """Mines negatives of a training table's rows with the model that is trained.

    Rows of one query share their positives, none of which becomes a negative: neither by id nor by text nor nearly by
    text. The query itself does not, nor what ``examples`` know to be relevant.

    :param corpus: The passages.
    :param triplets: The training table.
    :param options: What is mined.
    :param examples: Examples of the table's queries, for more known positives.
    """

    def __init__(
        self, corpus: Corpus, triplets: Any, options: RefreshOptions, examples: Iterable[MiningExample] = ()
    ) -> None:
        self._corpus, self._options = corpus, options
        columns = find_columns(triplets)
        table = triplets.with_format(None)
        anchors: list[str] = table[ANCHOR][:]
        number = {anchor: position for position, anchor in enumerate(dict.fromkeys(anchors))}
        self._row_of = np.array([number[anchor] for anchor in anchors], np.int64)
        self._places, self._equal = TextIndex(corpus), EqualTexts.of(corpus)
        self._examples = self._build(anchors, table[POSITIVE][:], list(examples))
        negatives: list[list[str]] = [[] for _ in number]
        for row, position in zip(table.select_columns(columns.names), self._row_of.tolist(), strict=True):
            negatives[position] += columns.negatives_of(row)
        self._given = padded([self._places.rows(texts) for texts in negatives])
        self._frozen: Vectors | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that decides over what is found beside the weights, in JSON values."""
        known = [[one.query, sorted(map(str, one.meta.get(JUDGED_RELEVANT, ())))] for one in self._examples]
        positives = [sorted(document.id for document in one.positives) for one in self._examples]
        digest = xxhash.xxh3_128_hexdigest(repr([known, positives]).encode("utf-8", "surrogatepass"))
        return {**vars(self._options), "corpus": self._corpus.key, "known": digest}

    def begin(self, model: SentenceTransformer) -> None:
        """Keep the passage vectors of the weights before the first step, where the queries alone are encoded anew."""
        if self._options.mode == "query_side":
            self._frozen = self._encode(model)

    def mine(self, model: SentenceTransformer, before: Mined | None) -> Mined:
        """Find negatives.

        :param model: The model with its current weights.
        :param before: What the look before found; None compares with the training table.
        """
        options = self._options
        # Never from the cache: the weights are those of this very step.
        passages = self._frozen if self._frozen is not None else self._encode(model)
        queries = [one.query for one in self._examples]
        vectors = encode(model, queries, kind="query", batch_size=options.batch_size)
        depth = min(options.top_k, len(passages))
        space = search_space(vectors, passages, depth, similarity_of(model))
        hits = distinct_hits(lambda q, k: nearest(space.of_queries(q), k), len(queries), depth, self._equal)
        empty = CandidateTable.empty([len(example.positives) for example in self._examples])
        table = merge_source(empty, _SOURCE, self._corpus, hits.rows, hits.scores)
        scorer = DenseScorer(model, self._corpus, space, options.batch_size)
        positives = scorer.positives(self._examples)
        table = with_scores(table, _SOURCE, scorer.candidates(table, table.source_scores[_SOURCE]), positives)
        sampled = self._filtered(with_table(self._examples, table))
        chosen = _kept(sampled)
        old = self._given if before is None else _first_rows(before.rows, self._row_of, len(queries))
        last = None if before is None else _first_rows(before.found, self._row_of, len(queries))
        reference = np.fmax.reduceat(positives.astype(np.float64), table.positive_offsets[:-1])
        gaps = [_gap(space.score_pairs, rows, reference) for rows in (old, chosen)]
        facts = {
            **_moved(old, chosen, last)._asdict(),
            "score_gap_before": gaps[0],
            "score_gap": gaps[1],
            "known_positives": _known_share(sampled, options.num_negatives),
            "without_negatives": int((chosen < 0).all(axis=1).sum()) if chosen.shape[1] else len(queries),
        }
        return Mined(chosen[self._row_of], hits.rows[self._row_of], facts)

    def texts(self, rows: Ints) -> list[str]:
        """Return the texts of passages."""
        return self._corpus.texts(rows.tolist())

    def _encode(self, model: SentenceTransformer) -> Vectors:
        if sums_token_vectors(model):
            return encode_tokens(model, self._corpus)
        size = self._options.batch_size
        return encode_corpus(model, self._corpus.iter_texts(), len(self._corpus), batch_size=size)

    def _filtered(self, examples: list[MiningExample]) -> list[MiningExample]:
        options = self._options
        examples = KnownPositiveFilter(options.near_duplicate).run(examples=examples)["examples"]
        if options.relative_margin is not None:
            margin = PositiveAwareFilter(scorer=_SOURCE, relative_margin=options.relative_margin)
            examples = margin.run(examples=examples)["examples"]
        return NegativeSampler(options.num_negatives, rank_from=options.rank_from).run(examples=examples)["examples"]

    def _build(
        self, anchors: Sequence[str], positives: Sequence[str], examples: list[MiningExample]
    ) -> list[MiningExample]:
        texts: dict[str, dict[str, None]] = {}
        for anchor, positive in zip(anchors, positives, strict=True):
            texts.setdefault(anchor, {})[positive] = None
        meta: dict[str, dict[str, list[Any]]] = {}
        for example in examples:
            if example.query in texts:
                texts[example.query].update({document.content or "": None for document in example.positives})
                known = meta.setdefault(example.query, {})
                for key in (JUDGED_RELEVANT, "removed_positives"):
                    known.setdefault(key, []).extend(example.meta.get(key, ()))
        return [
            MiningExample(
                id=str(number),
                query=query,
                positives=tuple(self._document(text, number) for text in own if text),
                meta=meta.get(query, {}),
            )
            for number, (query, own) in enumerate(texts.items())
        ]

    def _document(self, text: str, number: int) -> Document:
        row = int(self._places.rows([text], missing=True)[0])
        identifier = self._corpus.ids([row])[0] if row >= 0 else f"{number}:{xxhash.xxh3_64_hexdigest(text.encode())}"
        return Document(id=identifier, content=text)


class _Moved(NamedTuple):
    """Distance between two sets of hard negatives, averaged over queries; None without a common query.

    :param changed: Share of the negatives that were none before.
    :param jaccard: Shared negatives among all of both.
    :param rank_before: Mean rank, in what was found before, of those that were found there.
    :param not_found_before: Share of the negatives that were not found at all before.
    """

    changed: float | None
    jaccard: float | None
    rank_before: float | None
    not_found_before: float | None


def _moved(old: Ints, new: Ints, found: Ints | None) -> _Moved:
    changed, shared, ranks = [], [], []
    for number in range(len(new)):
        before, after = set(old[number].tolist()) - {-1}, set(new[number].tolist()) - {-1}
        if before | after:
            shared.append(len(before & after) / len(before | after))
        changed += [passage not in before for passage in after]
        if found is not None:
            position = {passage: rank for rank, passage in enumerate(found[number].tolist(), start=1)}
            ranks += [position.get(passage, 0) for passage in sorted(after)]
    return _Moved(
        _mean(changed),
        _mean(shared),
        _mean([rank for rank in ranks if rank]),
        None if found is None else _mean([not rank for rank in ranks]),
    )


def _gap(score: Any, rows: Ints, reference: NDArray[np.float64]) -> float | None:
    """Return the mean of the best positive's score less a negative's, by the model as it is now."""
    query, position = np.nonzero(rows >= 0)
    if not len(query):
        return None
    return _mean(reference[query] - score(query.astype(np.int64), rows[query, position]).astype(np.float64))


def _known_share(examples: list[MiningExample], first: int) -> float | None:
    """Return how many of the nearest passages are known positives: what would be false negatives without a filter."""
    table = table_of(examples)
    near = (table.ranks[_SOURCE] > 0) & (table.ranks[_SOURCE] <= first)
    reasons = table.dropped.take(np.flatnonzero(near)).strings()
    return _mean([reason.startswith(_KNOWN) for reason in reasons])


def _kept(examples: list[MiningExample]) -> Ints:
    table = table_of(examples)
    rows, offsets = table.kept_by_rank()
    return padded([table.passages[rows[start:end]] for start, end in pairwise(offsets)])


def _first_rows(rows: Ints, owner: Ints, count: int) -> Ints:
    """Return one row for each query of a table that has one for each pair."""
    return rows[np.unique(owner, return_index=True)[1][:count]]


def _mean(values: Any) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None
