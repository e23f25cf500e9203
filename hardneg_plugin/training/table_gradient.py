"""The gradient of a static model's table, row by row.

A batch touches some thousand rows of a table of a hundred thousand. The backward pass of ``torch.nn.EmbeddingBag``
makes a gradient of the whole table for each feature of the batch (anchors, positives, each negative) and adds them up,
which takes most of the time of training such a model on processor cores. Here every feature adds to the rows that it
touches, in one buffer that all steps share, and only these rows are cleared for the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hardneg_plugin.search.models import is_static_module

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def sum_gradients_by_row(model: SentenceTransformer) -> None:
    """Let a static model sum its gradients row by row while it is trained.

    Weights, names and outputs stay as they are; gradients differ by rounding. Nothing is changed for other models, on
    a GPU, or where several processes train together, whose gradients are exchanged as a whole.

    :param model: The model; changed in place.
    """
    table: Any = model[0]
    if not is_static_module(table) or table.embedding.weight.device.type != "cpu":
        return
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return
    table.embedding = RowwiseEmbeddingBag(table.embedding)


class RowwiseEmbeddingBag(nn.Module):
    """Means of a table's rows, as ``nn.EmbeddingBag`` gives them, whose gradient is summed row by row.

    :param bag: The table; its weight is shared.
    """

    def __init__(self, bag: nn.EmbeddingBag) -> None:
        super().__init__()
        self.weight = bag.weight
        self.num_embeddings, self.embedding_dim = bag.num_embeddings, bag.embedding_dim
        self._gradient = _Gradient()

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """Return one mean per bag, shape ``(bags, dimensions)``; that of an empty bag is 0."""
        if not (self.weight.requires_grad and torch.is_grad_enabled()):
            return nn.functional.embedding_bag(ids, self.weight, offsets, mode="mean")
        means: Tensor = _Means.apply(self.weight, ids, offsets, self._gradient)  # type: ignore[no-untyped-call]
        return means


class _Gradient:
    """The buffer of the table's gradient, and which of its rows are not 0."""

    def __init__(self) -> None:
        self._buffer: Tensor | None = None
        self._touched: list[Tensor] = []

    def add(self, weight: Tensor, ids: Tensor, offsets: Tensor, means: Tensor) -> None:
        """Add the gradient of some bags' means to that of the weight."""
        from hardneg_plugin.training.gradient_kernels import add_rows

        if weight.grad is None:
            weight.grad = self._cleared(weight)
        sizes = torch.diff(offsets, append=torch.tensor([len(ids)]))
        shares = (means / sizes.clamp(min=1)[:, None]).contiguous()
        add_rows(weight.grad.numpy(), ids.numpy(), offsets.numpy(), shares.numpy())
        self._touched.append(ids)

    def _cleared(self, weight: Tensor) -> Tensor:
        if self._buffer is None:
            self._buffer = torch.zeros_like(weight)
        elif self._touched:
            self._buffer[torch.unique(torch.cat(self._touched))] = 0
        self._touched = []
        return self._buffer


class _Means(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, offsets: Tensor, gradient: _Gradient) -> Tensor:
        ctx.save_for_backward(ids, offsets)
        ctx.weight, ctx.gradient = weight, gradient
        return nn.functional.embedding_bag(ids, weight, offsets, mode="mean")

    @staticmethod
    def backward(ctx: Any, means: Tensor) -> tuple[None, None, None, None]:
        ids, offsets = ctx.saved_tensors
        ctx.gradient.add(ctx.weight, ids, offsets, means)
        return None, None, None, None
