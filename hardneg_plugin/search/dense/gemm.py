"""Products of unit vectors in single or lower precision, as the processor has them, and what they are off by.

A product never decides about a ranking: it tells what may belong to the best, by a bound on its error. The rounding of
the vectors is measured; that of the sums is bounded (Higham, *Accuracy and Stability of Numerical Algorithms*, section
3.1); so nothing depends on luck, nor on which product was taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.dense.torch_operators import multiply_int8, multiply_packed, pack_float32
from hardneg_plugin.search.dense.vector_space import Vectors
from hardneg_plugin.search.threads import Threads

_UNIT = 2.0**-24
# Rows and dimensions are padded to a multiple: below some size torch takes another product, which rounds its sums.
ROWS, _DIMS = 128, 64
# Lengths beyond the range of single precision would make a scale infinite or zero.
_SHORTEST, _LONGEST = 1e-30, 1e30


class UnitVectors(NamedTuple):
    """Vectors of length 1, ready for a product; a zero vector stays zero.

    :param matrix: The vectors, padded with zeros.
    :param errors: How far each is from the vector that it stands for, shape ``(vectors,)``.
    :param scales: What one stands for in whole numbers, one for each row of ``matrix``; empty where there are none.
    """

    matrix: Any
    errors: Vectors
    scales: Vectors


class GemmBackend(Protocol):
    """A way to multiply unit vectors.

    ``itemsize`` and ``result_size`` are the bytes of a number of the vectors and of a product. ``queries`` are those of
    one product: few stay in the cache with all their results, among many it counts less that a product may bring the
    passages into an order of its own first.
    """

    name: str
    queries: int
    itemsize: int
    result_size: int
    output: float

    def accumulation_error(self, dims: int) -> float:
        """Return the largest error of a sum of products, for vectors of length 1."""

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> UnitVectors:
        """Bring vectors into the form that is multiplied."""

    def pack(self, matrix: Any, threads: Threads) -> Any:
        """Bring a matrix of unit vectors into the order in which it is read; worth its time before many products."""
        return matrix

    def workspace(self, left: int, right: int) -> Any:
        """Return memory for products."""

    def multiply(self, left: Any, right: Any, workspace: Any = None) -> NDArray[Any]:
        """Return the bits of all products, shape ``(left, right)``.

        :param left: Matrix of unit vectors.
        :param right: Matrix of unit vectors, packed.
        :param workspace: Where to write them, at least as many; allocating takes as long as the product itself.
        """


class Float32Product(GemmBackend):
    """By numpy's BLAS."""

    name = "float32"
    queries = 1024
    itemsize = result_size = 4
    output = 0.0

    def accumulation_error(self, dims: int) -> float:
        """See :class:`GemmBackend`."""
        return (dims + 16) * _UNIT

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> UnitVectors:
        """See :class:`GemmBackend`."""
        from hardneg_plugin.search.dense.vector_kernels import unit_float32

        out = np.zeros((_padded(len(vectors), ROWS), vectors.shape[1]), np.float32)
        threads.run(len(vectors), lambda start, end, _: unit_float32(vectors, inverse(lengths), start, end, out))
        return UnitVectors(out, np.full(len(vectors), 4 * _UNIT, np.float32), _no_scales())

    def workspace(self, left: int, right: int) -> Any:
        """See :class:`GemmBackend`."""
        return np.empty(left * right, np.float32)

    def multiply(self, left: Any, right: Any, workspace: Any = None) -> NDArray[Any]:
        """See :class:`GemmBackend`."""
        products: Vectors = np.matmul(left, right.T, out=_shaped(workspace, left, right))
        return products.view(np.int32)


class TorchFloat32Product(Float32Product):
    """By torch's BLAS: MKL, in most builds for Intel's and AMD's processors."""

    name = "torch float32"

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> UnitVectors:
        """See :class:`GemmBackend`."""
        import torch

        units = super().units(vectors, lengths, threads)
        return units._replace(matrix=torch.from_numpy(units.matrix))

    def workspace(self, left: int, right: int) -> Any:
        """See :class:`GemmBackend`."""
        return _room(left * right, "float32")

    def multiply(self, left: Any, right: Any, workspace: Any = None) -> NDArray[Any]:
        """See :class:`GemmBackend`."""
        import torch

        products: Vectors = torch.mm(left, right.T, out=_shaped(workspace, left, right)).numpy()
        return products.view(np.int32)


class PackedFloat32Product(TorchFloat32Product):
    """By torch's oneDNN, which packs the passages once for the products with all queries."""

    name = "packed float32"
    queries = 256

    def pack(self, matrix: Any, threads: Threads) -> Any:
        """See :class:`GemmBackend`."""
        packed: list[Any] = []
        # Where one thread multiplies: torch's own would go on spinning behind this.
        threads.run(1, lambda *_: packed.append(pack_float32(matrix, ROWS)))
        return packed[0]

    def workspace(self, left: int, right: int) -> Any:
        """See :class:`GemmBackend`; torch takes its own."""
        return None

    def multiply(self, left: Any, right: Any, workspace: Any = None) -> NDArray[Any]:
        """See :class:`GemmBackend`."""
        products: Vectors = multiply_packed(left, right).numpy()
        return products.view(np.int32)


class Bfloat16Product(GemmBackend):
    """By torch's oneDNN, which adds up in single precision and rounds each sum to bfloat16."""

    name = "bfloat16"
    queries = 1024
    itemsize = result_size = 2
    output = 2.0**-8

    def accumulation_error(self, dims: int) -> float:
        """See :class:`GemmBackend`; twice, as an instruction may round after each of a pair of products."""
        return (2 * dims + 32) * _UNIT

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> UnitVectors:
        """See :class:`GemmBackend`."""
        import torch

        from hardneg_plugin.search.dense.vector_kernels import unit_bfloat16

        out = np.zeros((_padded(len(vectors), ROWS), _padded(vectors.shape[1], _DIMS)), np.uint16)
        errors = np.empty(len(vectors), np.float32)
        single, extreme = _single_inverse(lengths)
        threads.run(len(vectors), lambda start, end, _: unit_bfloat16(vectors, single, start, end, out, errors))
        return UnitVectors(torch.from_numpy(out).view(torch.bfloat16), _with_rounding(errors, extreme), _no_scales())

    def workspace(self, left: int, right: int) -> Any:
        """See :class:`GemmBackend`."""
        return _room(left * right, "bfloat16")

    def multiply(self, left: Any, right: Any, workspace: Any = None) -> NDArray[Any]:
        """See :class:`GemmBackend`."""
        import torch

        bits: NDArray[Any] = torch.mm(left, right.T, out=_shaped(workspace, left, right)).view(torch.int16).numpy()
        return bits


class Int8Product(GemmBackend):
    """By torch's oneDNN, in whole numbers of eight bits: coarse, four times as fast as single precision, and exact.

    Each vector has its own scale, which maps its largest coordinate to 127.
    """

    name = "int8"
    queries = 256
    itemsize, result_size = 1, 4
    # Products and scales are multiplied in single precision.
    output = 2.0**-20

    def accumulation_error(self, dims: int) -> float:
        """See :class:`GemmBackend`; sums of whole numbers are exact."""
        return 0.0

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> UnitVectors:
        """See :class:`GemmBackend`."""
        import torch

        from hardneg_plugin.search.dense.vector_kernels import unit_int8

        out = np.zeros((_padded(len(vectors), ROWS), _padded(vectors.shape[1], _DIMS)), np.int8)
        scales, errors = np.ones(len(out), np.float32), np.empty(len(vectors), np.float32)
        single, extreme = _single_inverse(lengths)
        threads.run(len(vectors), lambda start, end, _: unit_int8(vectors, single, start, end, out, scales, errors))
        return UnitVectors(torch.from_numpy(out), _with_rounding(errors, extreme), scales)

    def workspace(self, left: int, right: int) -> Any:
        """See :class:`GemmBackend`."""
        return _room(left * right, "int32")

    def multiply(self, left: Any, right: Any, workspace: Any = None) -> NDArray[Any]:
        """See :class:`GemmBackend`."""
        workspace = self.workspace(len(left), len(right)) if workspace is None else workspace
        numbers: NDArray[Any] = multiply_int8(left, right, _shaped(workspace, left, right)).numpy()
        return numbers


SINGLE: tuple[GemmBackend, ...] = (Float32Product(), TorchFloat32Product(), PackedFloat32Product())
"""Products in single precision, numpy's first."""
PRODUCTS: tuple[GemmBackend, ...] = (*SINGLE, Bfloat16Product(), Int8Product())
"""All there are, the most precise first."""


def inverse(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one over each length, and 0 for 0."""
    inverted: NDArray[np.float64] = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return inverted


def _single_inverse(lengths: NDArray[np.float64]) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the inverses in single precision, 0 where that cannot hold them, and where that is."""
    extreme = np.flatnonzero((lengths > 0) & ((lengths < _SHORTEST) | (lengths > _LONGEST)))
    exact = inverse(lengths)
    exact[extreme] = 0
    return exact.astype(np.float32), extreme


def _with_rounding(errors: Vectors, extreme: NDArray[np.int64]) -> Vectors:
    """Add to measured errors what measuring them in single precision may have lost."""
    errors *= 1 + 2.0**-10
    errors += 4 * _UNIT
    errors[extreme] = 1
    return errors


def _room(size: int, kind: str) -> Any:
    """Return an empty tensor that any thread may write to, also where this one is in torch's inference mode."""
    import torch

    with torch.inference_mode(False):
        return torch.empty(size, dtype=getattr(torch, kind))


def _shaped(workspace: Any, left: Any, right: Any) -> Any:
    return None if workspace is None else workspace[: len(left) * len(right)].reshape(len(left), len(right))


def _no_scales() -> Vectors:
    return np.empty(0, np.float32)


def _padded(number: int, step: int) -> int:
    return -(-number // step) * step
