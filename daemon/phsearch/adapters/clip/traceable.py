"""Forms of a model's parts whose graph takes texts of any length.

torch's own attention records the number of tokens of the example as a constant, and so does the text tower of OpenAI's
CLIP with its table of positions. Both forms compute what the originals compute. Their graphs are half as large.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import MultiheadAttention
from torch.nn.functional import linear, scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Iterator

_original_forward = MultiheadAttention.forward


@contextmanager
def traceable_attention() -> Iterator[None]:
    """Replace the self-attention of torch by one of which each shape is computed from its input."""
    fast = torch.backends.mha.get_fastpath_enabled()
    # The kernel that fuses attention has no counterpart in ONNX.
    torch.backends.mha.set_fastpath_enabled(False)
    MultiheadAttention.forward = _attend  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        MultiheadAttention.forward = _original_forward  # type: ignore[method-assign]
        torch.backends.mha.set_fastpath_enabled(fast)


def encode_text(model: Any, ids: torch.Tensor) -> Any:
    """Return the vectors of texts, not normalised: [n, tokens] int64 -> [n, dim]. It may be fewer tokens than usual."""
    tower, tokens, tables = getattr(model, "text", model), ids.shape[1], {}
    if getattr(tower, "cls_emb", None) is None:  # its token would need a place of its own
        if isinstance(positions := getattr(tower, "positional_embedding", None), torch.Tensor):
            tables["positional_embedding"] = positions[:tokens]
        if isinstance(mask := getattr(tower, "attn_mask", None), torch.Tensor):
            tables["attn_mask"] = mask[:tokens, :tokens]
    # What stands in its own dictionary hides a parameter of the same name. torch.func refuses a model that is traced.
    vars(tower).update(tables)
    try:
        return model.encode_text(ids)
    finally:
        for name in tables:
            del vars(tower)[name]


def _attend(
    self: MultiheadAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any
) -> tuple[torch.Tensor, torch.Tensor | None]:
    mask = options.get("attn_mask")
    plain = self.in_proj_weight is not None and self.bias_k is None and not self.add_zero_attn and self.batch_first
    known = options.keys() <= {"attn_mask", "need_weights"} and not options.get("need_weights", True)
    # The two functions read a mask of booleans in opposite ways.
    added = mask is None or (mask.ndim == 2 and mask.is_floating_point())  # noqa: PLR2004 - rows and columns
    if not (plain and known and added and query is key is value):
        return _original_forward(self, query, key, value, **options)
    heads = (*query.shape[:2], 3, self.num_heads, self.head_dim)
    q, k, v = linear(query, self.in_proj_weight, self.in_proj_bias).reshape(heads).permute(2, 0, 3, 1, 4)
    values = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return self.out_proj(values.transpose(1, 2).flatten(2)), None
