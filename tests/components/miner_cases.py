"""Rows of the miners."""

from __future__ import annotations

from component_case import CORPUS, MODEL, NO_CORPUS, NO_SOURCE, Case, whole
from haystack import Document
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy

# Stores of one index share their documents within a process: a miner read from YAML finds them again.
RETRIEVER = InMemoryBM25Retriever(InMemoryDocumentStore(index="contract"))
RETRIEVER.document_store.write_documents(
    [
        Document(id="s1", content="the longest river of Asia"),
        Document(id="s2", content="where bees find flowers"),
        Document(id="s3", content="한강은 길다", meta={"language": "ko"}),
    ],
    policy=DuplicatePolicy.OVERWRITE,
)

MINER_CASES = (
    Case(
        name="BM25NegativeMiner",
        module="bm25_negative_miner",
        stage=True,
        required={"corpus": CORPUS},
        defaults={"top_k": 100, "k1": 1.2, "b": 0.75, "language": "", "source": "bm25"},
        custom={"top_k": 7, "k1": 0.9, "b": 0.4, "language": "ko", "source": "words"},
        bad=(
            *NO_CORPUS,
            *NO_SOURCE,
            whole("top_k", 1, 0),
            whole("top_k", 1, 2.0),
            whole("top_k", 1, True),
            whole("top_k", 1, "5"),
            ({"k1": -0.1}, "k1 must be a number of at least 0, got -0.1"),
            ({"k1": float("nan")}, "k1 must be a number of at least 0, got nan"),
            ({"k1": "1.2"}, "k1 must be a number of at least 0, got '1.2'"),
            ({"b": 1.01}, "b must be a number from 0 to 1, got 1.01"),
            ({"b": -1}, "b must be a number from 0 to 1, got -1"),
        ),
    ),
    Case(
        name="ClusterNegativeMiner",
        module="cluster_negative_miner",
        stage=True,
        required={"corpus": CORPUS, "model": MODEL},
        defaults={
            "clusters": None,
            "top_k": 20,
            "around": "positive",
            "seed": 0,
            "batch_size": 64,
            "source": "cluster",
        },
        custom={"clusters": 2, "top_k": 3, "around": "query", "seed": 5, "batch_size": 2, "source": "group"},
        bad=(
            *NO_CORPUS,
            *NO_SOURCE,
            whole("top_k", 1, 0),
            whole("clusters", 1, 0),
            whole("batch_size", 1, 2.0),
            ({"around": "corpus"}, "around must be one of positive, query; got 'corpus'"),
            ({"model": " "}, "model must be a folder or a hub id, got ' '"),
            ({"model": None}, "model must be a folder or a hub id, got None"),
        ),
    ),
    Case(
        name="DenseNegativeMiner",
        module="dense_negative_miner",
        stage=True,
        required={"corpus": CORPUS, "model": MODEL},
        defaults={
            "top_k": 100,
            "similarity": "auto",
            "query_prompt": None,
            "passage_prompt": None,
            "truncate_dim": None,
            "max_length": None,
            "batch_size": 64,
            "device": None,
            "dtype": None,
            "source": None,
            "index": "exact",
            "memory": None,
            "text_embedder": None,
            "document_embedder": None,
        },
        custom={
            "top_k": 3,
            "similarity": "euclidean",
            "query_prompt": "query: ",
            "passage_prompt": "",
            "truncate_dim": 8,
            "max_length": 128,
            "batch_size": 2,
            "device": "cpu",
            "dtype": "float16",
            "source": "near",
            "index": "hnsw",
            "memory": 300_000_000,
        },
        bad=(
            *NO_CORPUS,
            *NO_SOURCE[:2],
            whole("top_k", 1, 0),
            whole("batch_size", 1, 2.0),
            whole("truncate_dim", 1, 0),
            whole("max_length", 1, True),
            whole("memory", 1, 0),
            ({"index": "flat"}, "index must be one of exact, ivf, hnsw; got 'flat'"),
            ({"similarity": "manhattan"}, "similarity must be one of auto, cosine, dot, euclidean; got 'manhattan'"),
            ({"dtype": "int8"}, "dtype must be one of None, float32, float16, bfloat16; got 'int8'"),
            ({"model": " "}, "model must be a folder or a hub id, got ' '"),
            ({"model": None}, "give either model, or both text_embedder and document_embedder"),
        ),
        in_place_of_required=("text_embedder", "document_embedder"),
    ),
    Case(
        name="RandomNegativeMiner",
        module="random_negative_miner",
        stage=True,
        required={"corpus": CORPUS},
        defaults={"top_k": 10, "seed": 0, "source": "random"},
        custom={"top_k": 3, "seed": 11, "source": "chance"},
        bad=(*NO_CORPUS, *NO_SOURCE, whole("top_k", 1, 0), whole("top_k", 1, None)),
    ),
    Case(
        name="RetrieverNegativeMiner",
        module="retriever_negative_miner",
        stage=True,
        required={"retriever": RETRIEVER},
        defaults={
            "top_k": 100,
            "source": "retriever",
            "filters": None,
            "max_workers": 3,
            "higher_is_better": None,
            "text_embedder": None,
        },
        custom={
            "top_k": None,
            "source": "store",
            "higher_is_better": True,
            "filters": {"field": "meta.language", "operator": "==", "value": "ko"},
            "max_workers": 1,
        },
        bad=(
            *NO_SOURCE,
            whole("top_k", 1, 0),
            whole("top_k", 1, "5"),
            whole("max_workers", 1, 0),
            ({"retriever": "bm25"}, "retriever must be a component whose run takes a query, got str"),
            (
                {"retriever": InMemoryEmbeddingRetriever(InMemoryDocumentStore())},
                "got InMemoryEmbeddingRetriever; give text_embedder, the embedder of its query, too",
            ),
            ({"retriever": InMemoryBM25Retriever}, "got the class InMemoryBM25Retriever; give an instance of it"),
            ({"higher_is_better": "no"}, "higher_is_better must be one of True, False, None; got 'no'"),
        ),
        in_place_of_required=("text_embedder",),
    ),
)
