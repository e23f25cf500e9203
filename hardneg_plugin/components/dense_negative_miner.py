"""Candidates by a dense retrieval model: passages whose vectors are near the query's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from haystack import component
from haystack.components.embedders.types import DocumentEmbedder, TextEmbedder
from haystack.document_stores.types import DocumentStore
from numpy.typing import NDArray

from hardneg_plugin.components.corpus_miner import CorpusMiner
from hardneg_plugin.components.corpus_parameter import OpenCorpus, check_corpus, stored_vectors
from hardneg_plugin.components.dense_parameters import Devices, check_model
from hardneg_plugin.components.embedder_pair import EmbedderPair, read_meta
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.memory import available_memory
from hardneg_plugin.mining.dense_scores import DenseScorer
from hardneg_plugin.records import MiningExample, with_scores, with_table
from hardneg_plugin.search.ann import IndexKind, approximate_search
from hardneg_plugin.search.dense.embedding_store import StoredVectors, stored_embeddings
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import Encoder, encode, search_space, similarity_of
from hardneg_plugin.search.dense.vector_space import Vectors, VectorSpace
from hardneg_plugin.search.distinct import distinct_hits
from hardneg_plugin.search.encoder import DualEncoder, IdentifiedEncoder, Precision, load_model
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.prompt_families import tell_missing_prompts
from hardneg_plugin.text.equal_texts import EqualTexts
from hardneg_plugin.validation import Count, MetaKeys, Name

_NAME = "DenseNegativeMiner"
# Of the room under a promise; vectors and candidates need the rest.
_SHARE = 0.5


class DenseFound(NamedTuple):
    """Hits of a search.

    :param hits: The hits.
    :param space: The vectors that were searched.
    """

    hits: Hits
    space: VectorSpace


@component
class DenseNegativeMiner(CorpusMiner):
    """Adds the nearest passages by a dense model to each example's candidates, and scores all candidates with it.

    The search is exact, unless ``index`` says otherwise: by products in low precision where the processor is faster
    with them, by FAISS's flat indexes where FAISS is installed, or in numpy, with the same result to the last bit. The
    corpus's vectors are kept in the cache under a key of the model's content, so that no other checkpoint, prompt or
    length ever sees them; an encoding that was stopped goes on where it was.

    Beside the rank and score of what it found, it writes its score of every candidate that earlier stages found, and
    of every positive, as the scorer ``source``: a ``PositiveAwareFilter`` behind it compares them. Several models are
    several miners in a row, each with its own source.

    ### Usage example

    ```python
    from hardneg_plugin import DenseNegativeMiner

    miner = DenseNegativeMiner(corpus="beir:data/msmarco", model="minishlab/potion-base-4M", top_k=50, source="dense")
    examples = miner.run(examples=examples)["examples"]
    examples[0].candidates[0].sources  # {'dense': Found(rank=1, score=0.83)}
    examples[0].candidates.positive_scores  # {'dense': [0.79]}
    ```

    :param corpus: Dataset spec, or a Haystack document store.
    :param model: Folder or hub id of a sentence-transformers model (no remote code is run), or a model in memory, which
        is never changed and whose weights may change between two runs; None with a pair of embedders.
    :param top_k: Candidates per query.
    :param similarity: ``cosine``, ``dot``, ``euclidean`` (the negative distance), or ``auto``: what the model declares.
    :param query_prompt: Text in front of each query; None takes the model's own.
    :param passage_prompt: Text in front of each passage; None takes the model's own.
    :param truncate_dim: Leading dimensions that are kept; None takes the model's own choice.
    :param max_length: Tokens after which a text is cut; None keeps the model's own limit.
    :param batch_size: Texts per forward pass.
    :param device: Such as ``cuda:0``, or a list of devices that share the encoding, a process each; None takes the best
        there is.
    :param dtype: Precision of the weights; None keeps that of the model's files.
    :param source: Name under which ranks and scores are kept; None is ``dense:`` and the hub id, or the name of the
        model's folder (``dense`` alone for a model in memory and for embedders).
    :param text_embedder: In place of a model: the Haystack embedder of queries.
    :param document_embedder: The Haystack embedder of passages, of the same model.
    :param index: ``exact``, or FAISS's ``ivf`` or ``hnsw``: faster over many passages, and some of the nearest are
        missed. How many are found is measured over a sample of the queries, logged, and kept in ``recall``.
    :param memory: Bytes that an exact search works in, beside vectors and hits; None takes half of what a recipe's
        ``memory`` leaves, or blocks of fixed size.
    :param filters: Haystack metadata filters that select documents of a store; None takes all.
    :param meta_fields: Keys of ``Document.meta`` that a store's passages keep, such as ``source_id``; None keeps none.
    :param vectors: ``encode``: passages are encoded; ``store``: the vectors that a document store holds are used, once
        some of them were found to be the model's.
    :raises ParameterError: If a number is out of range, a choice is unknown, or neither a model nor a pair of embedders
        is given, or both, or parameters that only go with a model that is loaded here.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        corpus: str | DocumentStore,
        model: str | Encoder | None,
        top_k: Count = 100,
        similarity: Literal["auto", "cosine", "dot", "euclidean"] = "auto",
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        truncate_dim: Count | None = None,
        max_length: Count | None = None,
        batch_size: Count = 64,
        device: Devices | None = None,
        dtype: Precision | None = None,
        source: Name | None = None,
        index: IndexKind = "exact",
        memory: Count | None = None,
        filters: dict[str, Any] | None = None,
        meta_fields: MetaKeys | None = None,
        vectors: Literal["encode", "store"] = "encode",
        *,
        text_embedder: TextEmbedder | None = None,
        document_embedder: DocumentEmbedder | None = None,
    ) -> None:
        check_corpus(_NAME, corpus, filters)
        self.corpus, self.model = corpus, model
        self.top_k, self.similarity = top_k, similarity
        self.query_prompt, self.passage_prompt = query_prompt, passage_prompt
        self.truncate_dim = truncate_dim
        self.max_length = max_length
        self.batch_size, self.device, self.dtype = batch_size, device, dtype
        self.source: str | None = source
        self.index = index
        self.memory = memory
        self.filters, self.meta_fields, self.vectors = filters, meta_fields, vectors
        self.text_embedder, self.document_embedder = text_embedder, document_embedder
        self._check_encoder()
        self._open: OpenCorpus = OpenCorpus(corpus, filters, [*(meta_fields or ()), *read_meta(document_embedder)])
        self._encoder: IdentifiedEncoder | None = None
        self._passages: StoredVectors | None = None
        self._recall: float | None = None

    def _check_encoder(self) -> None:
        if self.vectors == "store" and isinstance(self.corpus, str):
            msg = f"{_NAME}: vectors: store takes those of a document store, got the corpus {self.corpus!r}"
            raise ParameterError(msg)
        pair = (self.text_embedder, self.document_embedder)
        if (pair[0] is None) != (pair[1] is None) or (self.model is None) == (pair[0] is None):
            msg = f"{_NAME}: give either model, or both text_embedder and document_embedder"
            raise ParameterError(msg)
        if isinstance(self.model, str):
            if not self.model.strip():
                msg = f"{_NAME}: model must be a folder or a hub id, got {self.model!r}"
                raise ParameterError(msg)
            return
        of_loading = ("max_length", "device", "dtype")
        of_models = () if self.model is not None else ("query_prompt", "passage_prompt", "truncate_dim")
        given = [name for name in (*of_models, *of_loading) if getattr(self, name) is not None]
        if given:
            what = "the model in memory" if self.model is not None else "the embedders"
            msg = f"{_NAME}: {', '.join(given)}: set that on {what}"
            raise ParameterError(msg)
        if self.model is None and self.similarity == "auto":
            msg = f"{_NAME}: similarity: embedders do not name one; give cosine, dot or euclidean"
            raise ParameterError(msg)

    @property
    def added_source(self) -> str:
        """Name of the source that is added."""
        return self.source_name

    @property
    def added_scorers(self) -> list[str]:
        """Names of the scores that are added to candidates and positives."""
        return [self.source_name]

    @property
    def source_name(self) -> str:
        """Name under which ranks and scores are kept."""
        if self.source is not None:
            return self.source
        if not isinstance(self.model, str):
            return "dense"
        folder = Path(self.model).expanduser()
        return f"dense:{folder.resolve().name if folder.is_dir() else self.model}"

    def warm_up(self) -> None:
        """Load the model, and encode the corpus into the cache, or find it there.

        :raises ParameterError: If the model cannot be loaded, its similarity cannot be searched, or ``vectors`` are to
            be those of a store, and are not the model's.
        """
        encoder = self._encoder or self._load()
        if self._encoder is None and self.similarity == "auto":
            similarity_of(encoder)
        if self.vectors == "store":
            similarity = similarity_of(encoder) if self.similarity == "auto" else self.similarity
            self._passages = stored_vectors(self._open, encoder, similarity, self.batch_size) or self._passages
        elif self._open.warm_up() or self._passages is None:
            # Old ones must not be searched for other passages if the next ones cannot be made.
            self._passages = None
            self._passages = stored_embeddings(encoder, self._open.corpus, batch_size=self.batch_size)
        self._encoder = encoder

    def _forget(self) -> None:
        self._open.forget()
        self._encoder = self._passages = None

    def _load(self) -> IdentifiedEncoder:
        if self.text_embedder is not None and self.document_embedder is not None:
            pair = EmbedderPair(self.text_embedder, self.document_embedder)
            pair.warm_up()
            return pair
        model: Any = self.model
        if isinstance(self.model, str):
            model = load_model(self.model, max_length=self.max_length, device=self.device, dtype=self.dtype)
            tell_missing_prompts(self.model, model.prompts, self.query_prompt, self.passage_prompt)
        check_model(_NAME, model)
        return DualEncoder(
            model,
            query_prompt=self.query_prompt,
            passage_prompt=self.passage_prompt,
            truncate_dim=self.truncate_dim,
            devices=self.device if isinstance(self.device, list) else None,
        )

    @component.output_types(examples=list[MiningExample])
    def run(self, examples: list[MiningExample]) -> dict[str, list[MiningExample]]:
        """Mine.

        :param examples: At most 10,000 at a time, so that memory stays bounded.
        :returns: ``examples``: new examples with the source's candidates added, all candidates and positives scored.
        """
        return {"examples": self.add(examples, self.search(examples)) if examples else []}

    def search(self, examples: list[MiningExample]) -> DenseFound:
        """Find the nearest passages: the first half of :meth:`run`, for whoever adds them while the next search runs.

        :param examples: At least one, at most 10,000 at a time.
        """
        self.warm_up()
        assert self._encoder is not None
        assert self._passages is not None
        if self.model is not None and not isinstance(self.model, str) and self.vectors == "encode":
            # A model in memory may have been trained since; if not, what is known of its vectors is kept.
            stored = stored_embeddings(self._encoder, self._open.corpus, batch_size=self.batch_size)
            self._passages = self._passages if stored.folder == self._passages.folder else stored
        queries = self._encode_queries(self._encoder, examples)
        similarity = similarity_of(self._encoder) if self.similarity == "auto" else self.similarity
        depth = min(self.top_k, len(self._passages))
        space = search_space(queries, self._passages, depth, similarity)
        return DenseFound(self._hits(space, depth, self._passages.folder.name), space)

    def add(self, examples: list[MiningExample], found: DenseFound) -> list[MiningExample]:
        """Add what was found to the candidates, and score all candidates and positives: the other half of :meth:`run`.

        :param examples: Those that were searched for.
        :param found: What :meth:`search` returned for them.
        """
        assert self._encoder is not None
        source = self.source_name
        table = self._merged(examples, found.hits.rows, found.hits.scores)
        scorer = DenseScorer(self._encoder, self._open.corpus, found.space, self.batch_size)
        scores = scorer.candidates(table, table.source_scores[source])
        return with_table(examples, with_scores(table, source, scores, scorer.positives(examples)))

    @property
    def recall(self) -> float | None:
        """Share of the exact nearest that an approximate index found in the last run; None for an exact search."""
        return self._recall

    def _hits(self, space: VectorSpace, depth: int, key: str) -> Hits:
        def search(positions: NDArray[np.int64], k: int) -> Hits:
            some = space.of_queries(positions) if len(positions) < len(space.queries) else space
            if self.index == "exact":
                return nearest(some, k, memory=self.memory or available_memory(_SHARE))
            found = approximate_search(some, k, self.index, key, memory=self.memory)
            if some is space:
                self._recall = found.recall
            return found.hits

        return distinct_hits(search, len(space.queries), depth, EqualTexts.of(self._open.corpus))

    def _encode_queries(self, encoder: IdentifiedEncoder, examples: list[MiningExample]) -> Vectors:
        # The same query under two ids is encoded once: both get the same vector to the last bit.
        position = {query: number for number, query in enumerate(dict.fromkeys(example.query for example in examples))}
        vectors = encode(encoder, list(position), kind="query", batch_size=self.batch_size)
        return vectors[[position[example.query] for example in examples]]
