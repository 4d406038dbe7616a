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
    """Keeps the encoder's output for every text that was asked for."""

    def __init__(self, text_tower: Model, tokenize: Tokenizer) -> None:
        """Use the tower in its present state; it must not be trained afterwards."""
        self.tower = text_tower
        self.tokenize = tokenize
        self.place = next(text_tower.parameters()).device
        self.row: dict[str, int] = {}
        self._table = torch.empty(0, 0)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return one row for each text."""
        self.learn(texts)
        return self._table[[self.row[text] for text in texts]]

    @torch.no_grad()
    def learn(self, texts: Sequence[str]) -> None:
        """Encode the new texts, in batches of similar length."""
        new = sorted({text for text in texts if text not in self.row}, key=len)
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            rows = pooled(self.tower, trimmed(self.tokenize(batch)).to(self.place)).float()
            known = len(self.row)
            if known + len(batch) > len(self._table):
                self._table = _grown(self._table[:known], rows)
            self._table[known : known + len(batch)] = rows
            self.row.update({text: known + number for number, text in enumerate(batch)})


def _grown(table: Tensor, rows: Tensor) -> Tensor:
    """Return the table with room for as many rows again: it is copied a few times, not at every step."""
    more = rows.new_empty(max(len(table), 4 * BATCH), rows.shape[1])
    return torch.cat([table, more]) if len(table) else more
