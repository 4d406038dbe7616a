"""Encodes texts with the sentence encoder, each only once while it is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.kinds import Model, Tokenizer


BATCH = 256
PADDING = 0


def trimmed(tokens: Tensor) -> Tensor:
    """Return tokens without the columns in which every text is padding: the encoder masks them anyway."""
    longest = int((tokens != PADDING).sum(dim=1).max())
    return tokens[:, :longest]


def pooled(text_tower: Model, tokens: Tensor) -> Tensor:
    """Return the mean of the last layer over the tokens, before the head."""
    mask = (tokens != PADDING).long()
    output = text_tower.transformer(input_ids=tokens, attention_mask=mask)
    mean: Tensor = text_tower.pooler(output, mask)
    return mean


class FrozenSentences:
    """Caches the encoder's output for every text."""

    def __init__(self, text_tower: Model, tokenize: Tokenizer) -> None:
        """Use the tower in its present state; it must not be trained afterwards."""
        self.tower = text_tower
        self.tokenize = tokenize
        self.place = next(text_tower.parameters()).device
        self.row: dict[str, int] = {}
        self.table = torch.empty(0)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return one row for each text."""
        self.learn(texts)
        return self.table[[self.row[text] for text in texts]]

    @torch.no_grad()
    def learn(self, texts: Sequence[str]) -> None:
        """Encode the new texts, in batches of similar length."""
        new = sorted({text for text in texts if text not in self.row}, key=len)
        if not new:
            return
        parts = [self.table] if len(self.table) else []
        for start in range(0, len(new), BATCH):
            tokens = trimmed(self.tokenize(new[start : start + BATCH])).to(self.place)
            parts.append(pooled(self.tower, tokens).float())
        self.row.update({text: len(self.table) + i for i, text in enumerate(new)})
        self.table = torch.cat(parts)
