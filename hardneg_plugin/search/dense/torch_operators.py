"""Operators that torch does not document: the only place that calls them, each behind a probe.

A build of torch without one of them, or a later version that renames it, makes its probe answer False: the search then
takes the next product (see :mod:`hardneg_plugin.search.dense.gemm_autotune`), and hits stay the same.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def has_packed_float32() -> bool:
    """Tell whether oneDNN multiplies single precision with a matrix that was packed once."""
    import torch

    operators = torch.ops.mkldnn
    return _has_onednn() and hasattr(operators, "_linear_pointwise") and hasattr(operators, "_reorder_linear_weight")


def pack_float32(matrix: Any, rows: int) -> Any:
    """Pack a matrix for :func:`multiply_packed`.

    :param matrix: Tensor in single precision, shape ``(passages, dimensions)``.
    :param rows: Rows that are multiplied with it at once.
    """
    import torch

    return torch.ops.mkldnn._reorder_linear_weight(matrix, rows)


def multiply_packed(left: Any, packed: Any) -> Any:
    """Multiply a matrix with the transpose of a packed one.

    :param left: Tensor in single precision, shape ``(queries, dimensions)``.
    :param packed: What :func:`pack_float32` returned.
    :returns: Tensor of shape ``(queries, passages)``.
    """
    import torch

    return torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], "")


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 and oneDNN uses it."""
    import torch

    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return _has_onednn() and supported is not None and bool(supported())


def has_int8() -> bool:
    """Tell whether torch multiplies whole numbers of eight bits."""
    import torch

    return _has_onednn() and hasattr(torch, "_int_mm")


def multiply_int8(left: Any, right: Any, out: Any) -> Any:
    """Multiply a matrix with the transpose of another.

    :param left: Tensor of ``int8``, shape ``(queries, dimensions)``.
    :param right: Tensor of ``int8``, shape ``(passages, dimensions)``.
    :param out: Tensor of ``int32`` for the result, shape ``(queries, passages)``.
    """
    import torch

    return torch._int_mm(left, right.T, out=out)


def _has_onednn() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    onednn: Any = torch.backends.mkldnn
    return bool(onednn.is_available())
