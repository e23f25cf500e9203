"""Distillation of a teacher's margins, for any number of negatives per row.

This module imports torch and sentence-transformers at its top, because a class needs its base: import it inside
functions only.
"""

from __future__ import annotations

import torch
from sentence_transformers.sentence_transformer import losses
from torch import Tensor


class MarginMSELoss(losses.MarginMSELoss):
    """Mean squared error between the model's margins and a teacher's (Hofstätter et al. 2020).

    The mean runs over all pairs of a positive and a negative of the same row. With equal numbers of negatives this is
    the loss of sentence-transformers, which knows no other tables.
    """

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss of a batch.

        :param embeddings: Of the queries and the positives, both of shape ``(rows, dimensions)``, and of all negatives
            of the batch, one row's after the other, ``(negatives, dimensions)``.
        :param labels: The teacher's margins of each row; shape ``(rows, most negatives of a row)``, NaN where a row
            has fewer.
        """
        queries, positives, negatives = embeddings
        there = ~labels.isnan()
        row_of = there.nonzero()[:, 0]
        margins = self.similarity_fct(queries, positives)[row_of] - self.similarity_fct(queries[row_of], negatives)
        return torch.nn.functional.mse_loss(margins, labels[there].to(margins.dtype))
