"""Products of unit vectors in single precision or, where the processor has them, in bfloat16, and what they are off by.

A product never decides about a ranking: it tells what may belong to the best, by a bound on its error. The rounding of
the vectors is measured; that of the sums is bounded (Higham, *Accuracy and Stability of Numerical Algorithms*, section
3.1); so nothing depends on luck, nor on which product was taken.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hardneg_plugin.search.threads import Threads
from hardneg_plugin.search.vector_space import Vectors

logger = logging.getLogger(__name__)

_UNIT = 2.0**-24
# Rows and dimensions are padded to a multiple: below some size torch takes another product, which rounds its sums.
ROWS, _DIMS = 128, 32
# How much faster than single precision bfloat16 must be measured to be.
_PAYS = 1.25
_PROBE = (512, 2048, 384)


class Product(Protocol):
    """A way to multiply unit vectors."""

    name: str
    itemsize: int
    output: float

    def summing(self, dims: int) -> float:
        """Return the largest error of a sum of products, for vectors of length 1."""

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> tuple[Any, Vectors]:
        """Return vectors of length 1, padded, and how far each is off; a zero vector stays zero."""

    def room(self, left: int, right: int) -> Any:
        """Return room for products."""

    def multiply(self, left: Any, right: Any, room: Any = None) -> NDArray[Any]:
        """Return the bits of all products, shape ``(left, right)``.

        :param left: Unit vectors.
        :param right: Unit vectors.
        :param room: Where to write them, at least as many; new room takes as long to get as the product itself.
        """


class Float32Product:
    """By numpy's BLAS."""

    name = "float32"
    itemsize = 4
    output = 0.0

    def summing(self, dims: int) -> float:
        """See :class:`Product`."""
        return (dims + 16) * _UNIT

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> tuple[Any, Vectors]:
        """See :class:`Product`."""
        from hardneg_plugin.search.vector_kernels import unit_float32

        out = np.zeros((_padded(len(vectors), ROWS), vectors.shape[1]), np.float32)
        threads.run(len(vectors), lambda start, end, _: unit_float32(vectors, _inverse(lengths), start, end, out))
        return out, np.full(len(vectors), 4 * _UNIT, np.float32)

    def room(self, left: int, right: int) -> Any:
        """See :class:`Product`."""
        return np.empty(left * right, np.float32)

    def multiply(self, left: Any, right: Any, room: Any = None) -> NDArray[Any]:
        """See :class:`Product`."""
        out = None if room is None else room[: len(left) * len(right)].reshape(len(left), len(right))
        products: Vectors = np.matmul(left, right.T, out=out)
        return products.view(np.int32)


class Bfloat16Product:
    """By torch's oneDNN, which adds up in single precision and rounds each sum to bfloat16."""

    name = "bfloat16"
    itemsize = 2
    output = 2.0**-8

    def summing(self, dims: int) -> float:
        """See :class:`Product`; twice, as an instruction may round after each of a pair of products."""
        return (2 * dims + 32) * _UNIT

    def units(self, vectors: Vectors, lengths: NDArray[np.float64], threads: Threads) -> tuple[Any, Vectors]:
        """See :class:`Product`."""
        import torch

        from hardneg_plugin.search.vector_kernels import unit_bfloat16

        out = np.zeros((_padded(len(vectors), ROWS), _padded(vectors.shape[1], _DIMS)), np.uint16)
        errors = np.empty(len(vectors), np.float32)
        # Lengths beyond the range of single precision would make the scale infinite or zero.
        extreme = np.flatnonzero((lengths > 0) & ((lengths < 1e-30) | (lengths > 1e30)))
        exact = _inverse(lengths)
        exact[extreme] = 0
        inverse = exact.astype(np.float32)
        threads.run(len(vectors), lambda start, end, _: unit_bfloat16(vectors, inverse, start, end, out, errors))
        errors *= 1 + 2.0**-10
        errors += 4 * _UNIT
        errors[extreme] = 1
        return torch.from_numpy(out).view(torch.bfloat16), errors

    def room(self, left: int, right: int) -> Any:
        """See :class:`Product`."""
        import torch

        return torch.empty(left * right, dtype=torch.bfloat16)

    def multiply(self, left: Any, right: Any, room: Any = None) -> NDArray[Any]:
        """See :class:`Product`."""
        import torch

        out = None if room is None else room[: len(left) * len(right)].view(len(left), len(right))
        bits: NDArray[Any] = torch.mm(left, right.T, out=out).view(torch.int16).numpy()
        return bits


class Rates(NamedTuple):
    """Measured speed of the two products, in operations a second; 0 where bfloat16 products are not to be had."""

    float32: float
    bfloat16: float


@functools.cache
def fastest_product() -> Product:
    """Return the product for this machine: bfloat16 where it exists, is right and is measured to be faster."""
    rates = measured_rates()
    return Bfloat16Product() if rates.bfloat16 >= _PAYS * rates.float32 else Float32Product()


@functools.cache
def measured_rates() -> Rates:
    """Measure both products on a small example; takes some hundredths of a second, once a process."""
    queries, passages, dims = _PROBE
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((rows, dims)).astype(np.float32) for rows in (queries, passages))
    operations = 2.0 * queries * passages * dims
    single = operations / _seconds(lambda: left @ right.T)
    if not has_bfloat16():
        return Rates(single, 0.0)
    product = Bfloat16Product()
    with Threads() as threads:
        units = [product.units(one, np.linalg.norm(one.astype(np.float64), axis=1), threads) for one in (left, right)]
    if not _is_right(product, *(unit for unit, _ in units)):
        logger.warning("bfloat16 products of this processor round otherwise than they should; they are not used")
        return Rates(single, 0.0)
    half = operations / _seconds(lambda: product.multiply(units[0][0], units[1][0]))
    logger.debug("products: %.0f GFLOP/s in float32, %.0f in bfloat16", single / 1e9, half / 1e9)
    return Rates(single, half)


def has_bfloat16() -> bool:
    """Tell whether torch has compiled products in bfloat16 for this processor."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return False
    import torch

    available: Any = torch.backends.mkldnn
    return bool(available.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _is_right(product: Bfloat16Product, left: Any, right: Any) -> bool:
    exact = left.double().numpy() @ right.double().numpy().T
    found = (product.multiply(left, right).astype(np.int32) << 16).view(np.float32)
    bound = product.summing(left.shape[1]) + product.output * np.abs(found)
    return bool((np.abs(found - exact) <= bound).all())


def _seconds(multiply: Callable[[], object]) -> float:
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - started)
    return float(best)


def _inverse(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    inverse: NDArray[np.float64] = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return inverse


def _padded(number: int, step: int) -> int:
    return -(-number // step) * step
