"""Which products this processor has, whether they are right, and how fast each is."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from hardneg_plugin.search.matrix_products import Bfloat16Product, Float32Product, Int8Product, Product
from hardneg_plugin.search.threads import Threads, processors

logger = logging.getLogger(__name__)

# How much faster than a more precise product one must be measured to be.
_PAYS = 1.25
_PROBE = (512, 2048, 384)
_ROUNDS = 12


@functools.cache
def products() -> tuple[Product, ...]:
    """Return the products that pay on this machine, the fastest first; each is more precise than the one before."""
    rates = measured_rates()
    chosen: list[Product] = [Float32Product()]
    for product in (Bfloat16Product(), Int8Product()):
        if rates[product.name] >= _PAYS * rates[chosen[0].name]:
            chosen.insert(0, product)
    return tuple(chosen)


@functools.cache
def measured_rates() -> dict[str, float]:
    """Measure all products on a small example; takes some hundredths of a second, once a process.

    :returns: Operations a second by the product's name; 0 where it is not to be had, or not right.
    """
    calls = {product.name: _multiplication(product) for product in (Float32Product(), Bfloat16Product(), Int8Product())}
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
    queries, passages, dims = _PROBE
    # numpy shares one product out among the processors; the others are taken by each processor for itself.
    at_once = {name: 1 if name == "float32" else processors() for name in calls}
    found = {name: at_once[name] * 2.0 * queries * passages * dims / best for name, best in seconds.items()}
    logger.debug("products: %s", ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {name}" for name, rate in found.items()))
    return found


def has_product(product: Product) -> bool:
    """Tell whether torch has compiled a product for this processor."""
    if product.name == "float32":
        return True
    if find_spec("torch") is None:
        return False
    import torch

    onednn: Any = torch.backends.mkldnn
    if not onednn.is_available():
        return False
    if product.name == "bfloat16":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return hasattr(torch, "_int_mm")


def _multiplication(product: Product) -> Callable[[], object] | None:
    """Return a call that multiplies an example; None where the product is not to be had, or not right."""
    if not has_product(product):
        return None
    queries, passages, dims = _PROBE
    rng = np.random.default_rng(0)
    vectors = [rng.standard_normal((rows, dims)).astype(np.float32) for rows in (queries, passages)]
    # The largest sums that there can be: where a processor adds in sixteen bits, they overflow.
    vectors[0][0] = vectors[1][0] = 1
    with Threads() as threads:
        left, right = (product.units(one, np.linalg.norm(one.astype(np.float64), axis=1), threads) for one in vectors)
    try:
        right_products = _is_right(product, left.matrix, right.matrix)
    except RuntimeError as error:
        logger.debug("this build of torch has no %s products: %s", product.name, error)
        return None
    if not right_products:
        logger.warning("%s products of this processor are not what they should be; they are not used", product.name)
        return None
    room = product.room(queries, passages)
    return lambda: product.multiply(left.matrix, right.matrix, room)


def _is_right(product: Product, left: Any, right: Any) -> bool:
    exact = _numbers(left) @ _numbers(right).T
    bits = product.multiply(left, right)
    if product.name == "int8":
        return bool((bits == exact).all())
    found = bits.view(np.float32) if bits.itemsize == 4 else (bits.astype(np.int32) << 16).view(np.float32)
    bound = product.summing(left.shape[1]) + product.output * np.abs(found)
    return bool((np.abs(found - exact) <= bound).all())


def _numbers(matrix: Any) -> Any:
    return matrix.astype(np.float64) if isinstance(matrix, np.ndarray) else matrix.double().numpy()
