"""Groups of like passages: k-means over a corpus's vectors, by FAISS (Douze et al., 2024), once per model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.cache import build_entry, fingerprint
from hardneg_plugin.errors import ParameterError
from hardneg_plugin.records.corpus import Corpus
from hardneg_plugin.search.dense.embedding_store import store_key, stored_embeddings
from hardneg_plugin.search.dense.vector_space import VectorRows, Vectors
from hardneg_plugin.search.encoder import IdentifiedEncoder

KIND = "clusters"
# Raised when a change of the code changes the clusters of the same vectors.
_VERSION = 1
_CENTROIDS, _MEMBERS, _ENDS = "centroids.npy", "members.npy", "ends.npy"
# What k-means learns from: more points per cluster change little.
_POINTS_PER_CLUSTER = 256
_ROUNDS = 25
_BLOCK = 65_536


class Clusters(NamedTuple):
    """The clusters of a corpus.

    :param centroids: Of length 1, shape ``(clusters, dimensions)``; clusters without a passage are left out.
    :param members: Rows of all passages, cluster by cluster, ascending in each; memory-mapped.
    :param ends: Where each cluster ends in ``members``, shape ``(clusters,)``.
    """

    centroids: Vectors
    members: NDArray[np.int64]
    ends: NDArray[np.int64]

    def rows(self, cluster: int) -> NDArray[np.int64]:
        """Return the passages of a cluster."""
        return self.members[self.ends[cluster - 1] if cluster else 0 : self.ends[cluster]]

    def nearest(self, vectors: Vectors) -> NDArray[np.int64]:
        """Return the cluster that each vector belongs to, shape ``(vectors,)``.

        :param vectors: Shape ``(vectors, dimensions)``; their lengths do not matter.
        """
        nearest: NDArray[np.int64] = np.argmax(_unit(vectors) @ self.centroids.T, axis=1).astype(np.int64)
        return nearest


def corpus_clusters(
    encoder: IdentifiedEncoder, corpus: Corpus, clusters: int, *, seed: int, batch_size: int
) -> Clusters:
    """Cluster a corpus by the cosine of its vectors (spherical k-means), or find that in the cache.

    :param encoder: The encoder; its vectors are kept in the cache, too.
    :param corpus: The passages.
    :param clusters: Number of clusters.
    :param seed: Seed of the first centroids and of the passages that they are learnt from.
    :param batch_size: Texts per forward pass.
    :raises ParameterError: If FAISS is not installed, or there are fewer passages than clusters.
    """
    _check_clusters(len(corpus), clusters, "passages")
    vectors = stored_embeddings(encoder, corpus, batch_size=batch_size)
    key = fingerprint([_VERSION, store_key(encoder, corpus), clusters, seed])
    folder = build_entry(KIND, key, lambda empty: _build(vectors, clusters, seed, empty))
    return Clusters(
        np.load(folder / _CENTROIDS), np.load(folder / _MEMBERS, mmap_mode="r"), np.load(folder / _ENDS)
    )  # fmt: skip


def cluster_vectors(vectors: Vectors, clusters: int, seed: int) -> NDArray[np.int64]:
    """Return the cluster of each vector, by cosine (spherical k-means).

    :param vectors: Shape ``(vectors, dimensions)``.
    :param clusters: Number of clusters.
    :param seed: Seed of the first centroids.
    :raises ParameterError: If FAISS is not installed, or there are fewer vectors than clusters.
    """
    _check_clusters(len(vectors), clusters, "vectors")
    centroids = _centroids(vectors, clusters, seed)
    return Clusters(centroids, np.zeros(0, np.int64), np.zeros(0, np.int64)).nearest(vectors)


def _check_clusters(points: int, clusters: int, what: str) -> None:
    if find_spec("faiss") is None:
        msg = "clusters need FAISS; install hardneg[cpu] or hardneg[gpu]"
        raise ParameterError(msg)
    if points < clusters:
        msg = f"clusters must be at most the number of {what}, {points:,}; got {clusters:,}"
        raise ParameterError(msg)


def _centroids(vectors: VectorRows | Vectors, clusters: int, seed: int) -> Vectors:
    import faiss

    rng = np.random.default_rng(seed)
    size = min(len(vectors), clusters * _POINTS_PER_CLUSTER)
    points = np.sort(rng.choice(len(vectors), size, replace=False))
    means = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=_ROUNDS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=_POINTS_PER_CLUSTER,
    )
    means.train(np.ascontiguousarray(_unit(vectors[points])))
    return _unit(np.asarray(means.centroids, np.float32))


def _build(vectors: VectorRows, clusters: int, seed: int, folder: Path) -> None:
    centroids = _centroids(vectors, clusters, seed)
    found = Clusters(centroids, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assigned = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), _BLOCK):
        assigned[start : start + _BLOCK] = found.nearest(vectors[start : start + _BLOCK])
    sizes = np.bincount(assigned, minlength=clusters)
    # No passage may be near a centroid that nothing is nearest to.
    np.save(folder / _CENTROIDS, centroids[sizes > 0])
    np.save(folder / _MEMBERS, np.argsort(assigned, kind="stable"))
    np.save(folder / _ENDS, np.cumsum(sizes[sizes > 0]))


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit
