"""Texts as the token ids that open_clip makes of them, with a fast tokenizer and without open_clip.

The fast tokenizer truncates, pads, and adds the tokens of begin and end. Cleaning and what open_clip does with the ids
afterwards are here.
"""

from __future__ import annotations

import html
import string
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

CleaningRule = Literal["lower", "whitespace", "canonicalize"]

_NO_PUNCTUATION = str.maketrans("_", " ", string.punctuation.replace("_", ""))


class TokenizerSettings(TypedDict):
    """What a tokenizer.json cannot say.

    Literal special tokens in a text are text if `split_special_tokens`, else they become their token.
    Ids equal to `zeroed_id` are replaced with 0.
    """

    clean: CleaningRule
    context_length: int
    split_special_tokens: bool
    zeroed_id: int | None


def encode_texts(
    tokenizer: Any, settings: TokenizerSettings, texts: Sequence[str], widths: Sequence[int] = ()
) -> npt.NDArray[np.int64]:
    """Return the ids that `tokenizer`, a tokenizers.Tokenizer, makes of texts: [n, context_length].

    With `widths`, the rows are cut to the smallest width that holds all tokens which are not padding.
    """
    encodings = tokenizer.encode_batch_fast([clean_text(text, settings["clean"]) for text in texts])
    shape = (-1, settings["context_length"])
    ids = np.array([encoding.ids for encoding in encodings], np.int64).reshape(shape)
    if settings["zeroed_id"] is not None:
        ids[ids == settings["zeroed_id"]] = 0
    if widths and encodings:
        used = np.array([encoding.attention_mask for encoding in encodings], np.int64).any(axis=0)
        longest = int(np.flatnonzero(used).max(initial=-1)) + 1
        ids = np.ascontiguousarray(ids[:, : min((width for width in widths if width >= longest), default=None)])
    return ids


def clean_text(text: str, rule: CleaningRule) -> str:
    """Return a text as open_clip cleans it: repaired, without HTML entities and repeated blanks."""
    # Printable ASCII without entities has nothing to repair.
    if not text.isascii() or not text.isprintable() or "&" in text:
        from ftfy import fix_text  # noqa: PLC0415 - 60 ms, which a plain query does not need

        text = html.unescape(html.unescape(fix_text(text)))
    if rule == "canonicalize":
        text = text.translate(_NO_PUNCTUATION)
    text = " ".join(text.split())
    return text if rule == "whitespace" else text.lower()
