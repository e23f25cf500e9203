"""The document stores of the contract; a further one joins by a line in ``STORES``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import xxhash
from hash_embedders import DIMS
from haystack.utils import Secret

CONNECTION = "HARDNEG_TEST_PGVECTOR"
"""Environment variable of the connection, so that a pipeline of it can be written."""


class Place(NamedTuple):
    """Where a store may put its files, and the database that it may use.

    :param folder: A folder of its own.
    :param connection: To PostgreSQL; None where the store needs none.
    """

    folder: Path
    connection: Secret | None = None


class Known(NamedTuple):
    """A document store with its embedding retriever.

    :param module: Module of the store; tests of it are skipped where it is not installed.
    :param open: Returns an empty store of a metric in a place, or what an earlier one wrote there.
    :param retriever: Module and name of the retriever.
    :param metrics: The store's names of its metrics, each with the similarity of an exact search and whether a higher
        score is better.
    :param lasting: Whether another process finds what was written.
    :param database: Whether it needs PostgreSQL.
    :param one_process: Whether its files belong to a process until that ends.
    """

    module: str
    open: Callable[[Place, str], Any]
    retriever: tuple[str, str]
    metrics: dict[str, tuple[str, bool]]
    lasting: bool = True
    database: bool = False
    one_process: bool = False

    def retriever_of(self, store: Any, **parameters: Any) -> Any:
        module, name = self.retriever
        return getattr(importlib.import_module(module), name)(document_store=store, **parameters)


def _memory(position: Place, metric: str) -> Any:
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    return InMemoryDocumentStore(embedding_similarity_function=metric)


def _qdrant(position: Place, metric: str, **where: Any) -> Any:
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    return QdrantDocumentStore(embedding_dim=DIMS, similarity=metric, progress_bar=False, **where)


def _chroma(position: Place, metric: str) -> Any:
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    return ChromaDocumentStore(persist_path=str(position.folder / "chroma"), distance_function=metric)


def _pgvector(position: Place, metric: str) -> Any:
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

    table = f"t{xxhash.xxh3_64_hexdigest(str(position.folder).encode())}"
    return PgvectorDocumentStore(
        connection_string=position.connection,
        table_name=table,
        keyword_index_name=f"{table}_words",
        embedding_dimension=DIMS,
        vector_function=metric,
    )


def _milvus(position: Place, metric: str) -> Any:
    from milvus_haystack import MilvusDocumentStore

    return MilvusDocumentStore(
        connection_args={"uri": str(position.folder / "milvus.db")},
        index_params={"metric_type": metric, "index_type": "FLAT", "params": {}},
    )


def _lancedb(position: Place, metric: str) -> Any:
    import pyarrow as pa
    from lancedb_haystack import LanceDBDocumentStore

    meta = pa.struct([("language", pa.string()), ("source_id", pa.string())])
    return LanceDBDocumentStore(str(position.folder / "lance"), "passages", metadata_schema=meta, embedding_dims=DIMS)


_INTEGRATIONS = "haystack_integrations.document_stores"
_RETRIEVERS = "haystack_integrations.components.retrievers"
STORES = {
    "memory": Known(
        "haystack.document_stores.in_memory",
        _memory,
        ("haystack.components.retrievers.in_memory", "InMemoryEmbeddingRetriever"),
        {"cosine": ("cosine", True), "dot_product": ("dot", True)},
        lasting=False,
    ),
    "qdrant-memory": Known(
        f"{_INTEGRATIONS}.qdrant",
        lambda position, metric: _qdrant(position, metric, location=":memory:"),
        (f"{_RETRIEVERS}.qdrant", "QdrantEmbeddingRetriever"),
        {"cosine": ("cosine", True), "dot_product": ("dot", True), "l2": ("euclidean", False)},
        lasting=False,
    ),
    "qdrant-path": Known(
        f"{_INTEGRATIONS}.qdrant",
        lambda position, metric: _qdrant(position, metric, path=str(position.folder / "qdrant")),
        (f"{_RETRIEVERS}.qdrant", "QdrantEmbeddingRetriever"),
        {"cosine": ("cosine", True), "l2": ("euclidean", False)},
    ),
    "chroma": Known(
        f"{_INTEGRATIONS}.chroma",
        _chroma,
        (f"{_RETRIEVERS}.chroma", "ChromaEmbeddingRetriever"),
        {"l2": ("euclidean", False), "cosine": ("cosine", False), "ip": ("dot", False)},
    ),
    "pgvector": Known(
        f"{_INTEGRATIONS}.pgvector",
        _pgvector,
        (f"{_RETRIEVERS}.pgvector", "PgvectorEmbeddingRetriever"),
        {
            "cosine_similarity": ("cosine", True),
            "inner_product": ("dot", True),
            "l2_distance": ("euclidean", False),
        },
        database=True,
    ),
    "milvus": Known(
        "milvus_haystack",
        _milvus,
        ("milvus_haystack", "MilvusEmbeddingRetriever"),
        {"L2": ("euclidean", True), "IP": ("dot", True), "COSINE": ("cosine", True)},
        one_process=True,
    ),
    "lancedb": Known(
        "lancedb_haystack",
        _lancedb,
        ("lancedb_haystack", "LanceDBEmbeddingRetriever"),
        {"l2": ("euclidean", False)},
    ),
}


def known_of(name: str) -> Known:
    """A store of the contract; the test is skipped where its package is not installed."""
    known = STORES[name]
    pytest.importorskip(known.module, reason=f"{name}: {known.module} is not installed (extra test-stores)")
    return known
