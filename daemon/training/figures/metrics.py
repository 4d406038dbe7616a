"""Recall and average precision of retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

DEPTHS = (1, 5, 10)


@dataclass(frozen=True)
class Recall:
    """The share of queries, in per cent, whose photo is among the first 1, 5 and 10."""

    at_1: float
    at_5: float
    at_10: float

    def __str__(self) -> str:
        """Print as a row of a table."""
        return f"{self.at_1:5.1f} {self.at_5:5.1f} {self.at_10:5.1f}"

    def mean(self) -> float:
        """Return the mean, one number for choices."""
        return (self.at_1 + self.at_5 + self.at_10) / 3


def recall(queries: Tensor, gallery: Tensor, answers: Tensor) -> Recall:
    """Rank the gallery for each query; ``answers`` are the right rows of the gallery."""
    similarity = queries.float() @ gallery.float().T
    right = similarity.gather(1, answers[:, None])
    rank = (similarity > right).sum(dim=1)
    return Recall(*(100 * (rank < depth).float().mean().item() for depth in DEPTHS))


def average_precision(similarity: Tensor, relevant: Tensor) -> float:
    """Return the mean over queries (rows) of the average precision, in per cent."""
    order = similarity.argsort(dim=1, descending=True)
    hits = relevant.gather(1, order).float()
    places = torch.arange(1, hits.shape[1] + 1, device=hits.device)
    precision = hits.cumsum(dim=1) / places
    per_query = (precision * hits).sum(dim=1) / hits.sum(dim=1).clamp(min=1)
    return 100 * per_query.mean().item()
