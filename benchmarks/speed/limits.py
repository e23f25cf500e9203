"""What this machine can do at most, measured: memory read, products by precision."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

GIGA = 1e9


def seconds(run: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def bandwidth() -> float:
    """Measure what all threads together read from memory, in bytes per second."""
    import numba

    @numba.njit(parallel=True, fastmath=True)
    def total(values: Any) -> Any:
        found = 0.0
        for position in numba.prange(len(values)):
            found += values[position]
        return found

    values = np.ones(1 << 27, np.float32)
    total(values)
    return values.nbytes / min(seconds(lambda: total(values)) for _ in range(5))


def product_rates(dims: int) -> dict[str, float]:
    """Return the best rates of a plain product of 2,048 by 4,096 vectors by precision, in 10^9 operations a second.

    :param dims: Dimensions of the vectors.
    """
    import torch

    rng = np.random.default_rng(0)
    scale = np.float32(dims**-0.5)
    left, right = (scale * rng.standard_normal((count, dims), dtype=np.float32) for count in (2048, 4096))
    half = [torch.from_numpy(one).bfloat16() for one in (left, right)]
    whole = [(torch.from_numpy(one) * 300).to(torch.int8) for one in (left, right)]
    room = torch.empty(len(left), len(right), dtype=torch.int32)
    operations = 2 * len(left) * len(right) * dims
    products: dict[str, Callable[[], Any]] = {
        "float32": lambda: left @ right.T,
        "bfloat16": lambda: half[0] @ half[1].T,
        "int8": lambda: torch._int_mm(whole[0], whole[1].T, out=room),
    }
    rates = {}
    for name, multiply in products.items():
        # Threads of the product before may still be spinning.
        time.sleep(0.2)
        rates[name] = operations / min(seconds(multiply) for _ in range(9)) / GIGA
    return rates
