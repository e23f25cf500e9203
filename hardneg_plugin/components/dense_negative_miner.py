"""Candidates by a dense retrieval model: passages whose vectors are near the query's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from haystack import component
from haystack.components.embedders.types import DocumentEmbedder, TextEmbedder
from haystack.document_stores.types import DocumentStore

from hardneg_plugin.components.corpus_parameter import check_corpus, open_corpus
from hardneg_plugin.components.embedder_pair import EmbedderPair
from hardneg_plugin.components.parameters import at_least, one_of, source_name
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.memory import available_memory
from hardneg_plugin.mining.dense_scores import DenseScorer
from hardneg_plugin.records import Corpus, MiningExample, merge_source, table_of, with_scores, with_table
from hardneg_plugin.search.ann import IndexKind, approximate_search
from hardneg_plugin.search.dense.embedding_store import StoredVectors, store_key, stored_embeddings
from hardneg_plugin.search.dense.flat_index import nearest
from hardneg_plugin.search.dense.search import Encoder, encode, search_space, similarity_of
from hardneg_plugin.search.dense.vector_space import Similarity, Vectors, VectorSpace
from hardneg_plugin.search.encoder import DualEncoder, IdentifiedEncoder, Precision, load_model
from hardneg_plugin.search.hits import Hits
from hardneg_plugin.search.prompt_families import tell_missing_prompts

_NAME = "DenseNegativeMiner"
# Of the room under a promise; vectors and candidates need the rest.
_SHARE = 0.5


class DenseFound(NamedTuple):
    """What a search found.

    :param hits: The hits.
    :param space: The vectors that were searched.
    """

    hits: Hits
    space: VectorSpace


@component
class DenseNegativeMiner:
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
    :raises ParameterError: If a number is out of range, a choice is unknown, or neither a model nor a pair of embedders
        is given, or both, or parameters that only go with a model that is loaded here.
    """

    version: ClassVar[int] = 1
    needs_all_examples: ClassVar[bool] = False

    def __init__(
        self,
        corpus: str | DocumentStore,
        model: str | Encoder | None,
        top_k: int = 100,
        similarity: Literal["auto", "cosine", "dot", "euclidean"] = "auto",
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        truncate_dim: int | None = None,
        max_length: int | None = None,
        batch_size: int = 64,
        device: str | list[str] | None = None,
        dtype: Precision | None = None,
        source: str | None = None,
        index: IndexKind = "exact",
        memory: int | None = None,
        *,
        text_embedder: TextEmbedder | None = None,
        document_embedder: DocumentEmbedder | None = None,
    ) -> None:
        check_corpus(_NAME, corpus)
        for name, value in (("top_k", top_k), ("batch_size", batch_size)):
            at_least(_NAME, name, value, 1)
        for name, number in (("truncate_dim", truncate_dim), ("max_length", max_length), ("memory", memory)):
            if number is not None:
                at_least(_NAME, name, number, 1)
        one_of(_NAME, "similarity", similarity, ("auto", *get_args(Similarity)))
        one_of(_NAME, "index", index, get_args(IndexKind))
        one_of(_NAME, "dtype", dtype, (None, *get_args(Precision)))
        self.corpus = corpus
        self.model = model
        self.top_k = top_k
        self.similarity = similarity
        self.query_prompt = query_prompt
        self.passage_prompt = passage_prompt
        self.truncate_dim = truncate_dim
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype
        self.source = source
        self.index = index
        self.memory = memory
        self.text_embedder = text_embedder
        self.document_embedder = document_embedder
        self._check_encoder()
        self._corpus: Corpus | None = None
        self._encoder: IdentifiedEncoder | None = None
        self._passages: StoredVectors | None = None
        self._recall: float | None = None

    def _check_encoder(self) -> None:
        _check_device(self.device)
        if self.source is not None:
            source_name(_NAME, self.source)
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

        :raises ParameterError: If the model cannot be loaded, or its similarity cannot be searched.
        """
        if self._encoder is None:
            encoder = self._load()
            if self.similarity == "auto":
                similarity_of(encoder)
            self._corpus = open_corpus(self.corpus)
            self._passages = stored_embeddings(encoder, self._corpus, batch_size=self.batch_size)
            self._encoder = encoder

    def _load(self) -> IdentifiedEncoder:
        if self.text_embedder is not None and self.document_embedder is not None:
            pair = EmbedderPair(self.text_embedder, self.document_embedder)
            pair.warm_up()
            return pair
        model: Any = self.model
        if isinstance(self.model, str):
            model = load_model(self.model, max_length=self.max_length, device=self.device, dtype=self.dtype)
            tell_missing_prompts(self.model, model.prompts, self.query_prompt, self.passage_prompt)
        _check_model(model)
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
        assert self._corpus is not None
        assert self._encoder is not None
        assert self._passages is not None
        if self.model is not None and not isinstance(self.model, str):
            # A model in memory may have been trained since; if not, what is known of its vectors is kept.
            stored = stored_embeddings(self._encoder, self._corpus, batch_size=self.batch_size)
            self._passages = self._passages if stored.folder == self._passages.folder else stored
        queries = self._encode_queries(self._encoder, examples)
        similarity = similarity_of(self._encoder) if self.similarity == "auto" else self.similarity
        space = search_space(queries, self._passages, self._depth(self._corpus), similarity)
        return DenseFound(self._hits(space, self._encoder, self._corpus), space)

    def add(self, examples: list[MiningExample], found: DenseFound) -> list[MiningExample]:
        """Add what was found to the candidates, and score all candidates and positives: the other half of :meth:`run`.

        :param examples: Those that were searched for.
        :param found: What :meth:`search` returned for them.
        """
        assert self._corpus is not None
        assert self._encoder is not None
        source, hits = self.source_name, found.hits
        table = merge_source(table_of(examples), source, self._corpus, hits.rows, hits.scores)
        scorer = DenseScorer(self._encoder, self._corpus, found.space, self.batch_size)
        scores = scorer.candidates(table, table.source_scores[source])
        return with_table(examples, with_scores(table, source, scores, scorer.positives(examples)))

    @property
    def recall(self) -> float | None:
        """Share of the exact nearest that an approximate index found in the last run; None for an exact search."""
        return self._recall

    def _hits(self, space: VectorSpace, encoder: IdentifiedEncoder, corpus: Corpus) -> Hits:
        if self.index == "exact":
            return nearest(space, self._depth(corpus), memory=self.memory or available_memory(_SHARE))
        key = store_key(encoder, corpus)
        found = approximate_search(space, self._depth(corpus), self.index, key, memory=self.memory)
        self._recall = found.recall
        return found.hits

    def _depth(self, corpus: Corpus) -> int:
        return min(self.top_k, len(corpus))

    def _encode_queries(self, encoder: IdentifiedEncoder, examples: list[MiningExample]) -> Vectors:
        # The same query under two ids is encoded once: both get the same vector to the last bit.
        position = {query: number for number, query in enumerate(dict.fromkeys(example.query for example in examples))}
        vectors = encode(encoder, list(position), kind="query", batch_size=self.batch_size)
        return vectors[[position[example.query] for example in examples]]


def _check_device(device: object) -> None:
    names = device if isinstance(device, list) else [device]
    if device is None or (names and all(isinstance(name, str) and name.strip() for name in names)):
        return
    msg = f"{_NAME}: device must be a name such as 'cuda:0', or a list of names, got {device!r}"
    raise ParameterError(msg)


def _check_model(model: object) -> None:
    from sentence_transformers import SentenceTransformer

    if not isinstance(model, SentenceTransformer):
        msg = f"{_NAME}: model must be a SentenceTransformer, got {type(model).__name__}"
        raise ParameterError(msg)
