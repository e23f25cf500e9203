"""Select matrix products by what this processor has, by a correctness check and by measured speed."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from hardneg_plugin.search.dense.gemm import PRODUCTS, SINGLE, GemmBackend
from hardneg_plugin.search.dense.torch_operators import has_bfloat16, has_int8, has_packed_float32
from hardneg_plugin.search.threads import Threads, processors

logger = logging.getLogger(__name__)

# How much faster than a more precise product one must be measured to be, and than one as precise: what comes with it is
# not measured (passages are laid out; FAISS is as fast as tiles by numpy's products).
_PAYS, _IS_FASTER = 1.25, 1.05
# Passages and dimensions of an example; queries are as many as a product takes at once, on which its rate depends.
_PASSAGES, _DIMS = 2048, 384
_ROUNDS = 12


def gemm_backends() -> tuple[GemmBackend, ...]:
    """Return the products that pay on this machine, the fastest first; each is more precise than the one before."""
    rates = benchmark_backends()
    chosen = [SINGLE[0]]
    for product in SINGLE[1:] if keeps_single_precision() else ():
        if rates[product.name] >= _IS_FASTER * rates[chosen[0].name]:
            chosen = [product]
    for product in PRODUCTS[len(SINGLE) :]:
        if rates[product.name] >= _PAYS * rates[chosen[0].name]:
            chosen.insert(0, product)
    return tuple(chosen)


@functools.cache
def benchmark_backends() -> dict[str, float]:
    """Measure all products on a small example; takes half a second to two, once a process, most of it loading.

    :returns: Operations a second by the product's name; 0 where it is not to be had, or not right.
    """
    calls = {product.name: _multiplication(product) for product in PRODUCTS}
    seconds = dict.fromkeys(calls, math.inf)

    def measure(*_: int) -> None:
        # In turn, so that whatever else the machine does in between slows none of them alone.
        for _round in range(_ROUNDS):
            for name, multiply in calls.items():
                if multiply is not None:
                    started = time.perf_counter()
                    multiply()
                    seconds[name] = min(seconds[name], time.perf_counter() - started)

    with Threads(products=True) as threads:
        threads.run(1, measure)
    # Each processor takes products for itself.
    operations = processors() * 2.0 * _PASSAGES * _DIMS
    found = {product.name: operations * product.queries / seconds[product.name] for product in PRODUCTS}
    logger.debug("products: %s", ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {name}" for name, rate in found.items()))
    return found


def keeps_single_precision() -> bool:
    """Tell whether torch may not multiply single precision in less, as a program may allow it to at any time."""
    import torch

    setting = getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None)
    return torch.get_float32_matmul_precision() == "highest" if setting is None else setting in ("none", "ieee")


def has_product(product: GemmBackend) -> bool:
    """Tell whether torch has compiled a product for this processor."""
    if product.name == "float32":
        return True
    if find_spec("torch") is None:
        return False
    if product.name == "torch float32":
        return True
    probes = {"packed float32": has_packed_float32, "bfloat16": has_bfloat16, "int8": has_int8}
    return probes[product.name]()


def _multiplication(product: GemmBackend) -> Callable[[], object] | None:
    """Return a call that multiplies an example; None where the product is not to be had, or not right."""
    if not has_product(product):
        return None
    rng = np.random.default_rng(0)
    vectors = [rng.standard_normal((rows, _DIMS)).astype(np.float32) for rows in (product.queries, _PASSAGES)]
    # The largest sums that there can be: where a processor adds in sixteen bits, they overflow.
    vectors[0][0] = vectors[1][0] = 1
    with Threads(products=True) as threads:
        left, right = (product.units(one, np.linalg.norm(one.astype(np.float64), axis=1), threads) for one in vectors)
        try:
            packed = product.pack(right.matrix, threads)
            bits = product.multiply(left.matrix, packed)
        except RuntimeError as error:
            logger.debug("this build of torch has no %s products: %s", product.name, error)
            return None
    if not _are_right(product, bits, left.matrix, right.matrix):
        logger.warning("%s products of this processor are not what they should be; they are not used", product.name)
        return None
    workspace = product.workspace(product.queries, _PASSAGES)
    return lambda: product.multiply(left.matrix, packed, workspace)


def _are_right(product: GemmBackend, bits: Any, left: Any, right: Any) -> bool:
    exact = _numbers(left) @ _numbers(right).T
    if product.name == "int8":
        return bool((bits == exact).all())
    found = bits.view(np.float32) if bits.itemsize == 4 else (bits.astype(np.int32) << 16).view(np.float32)
    bound = product.accumulation_error(left.shape[1]) + product.output * np.abs(found)
    return bool((np.abs(found - exact) <= bound).all())


def _numbers(matrix: Any) -> Any:
    return matrix.astype(np.float64) if isinstance(matrix, np.ndarray) else matrix.double().numpy()
