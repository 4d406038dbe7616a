"""CLIP's own tokenizer, which open_clip has in Python, as one of the `tokenizers` library."""

from __future__ import annotations

import copy
from typing import Any

import regex
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

_CHARACTERS = "".join(map(chr, range(0x110000)))


def special_tokens(simple: Any) -> list[str]:
    """Return the special tokens of a SimpleTokenizer; begin and end come first."""
    return [simple.decoder[token_id] for token_id in simple.all_special_ids]


def convert_byte_pairs(simple: Any) -> Tokenizer:
    """Return a SimpleTokenizer as a fast tokenizer, which expects clean text in lower case."""
    specials = special_tokens(simple)
    begin, end = specials[:2]
    fast = Tokenizer(_model(simple, specials))
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_words(specials)), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    fast.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, simple.sot_token_id), (end, simple.eot_token_id)]
    )
    fast.enable_truncation(simple.context_length)
    fast.enable_padding(length=simple.context_length, pad_id=0, pad_token="!")  # noqa: S106 - CLIP's token 0
    return fast


def _model(simple: Any, specials: list[str]) -> models.BPE:
    merges = sorted(simple.bpe_ranks, key=simple.bpe_ranks.__getitem__)
    vocabulary = {token: token_id for token, token_id in simple.encoder.items() if token not in specials}
    # A literal special token becomes its token, but only where the split makes a word of it. So it is no added token
    # here but merged from its pieces, after all other merges. The steps between have ids that no text can reach: in
    # lower case, no other word has letters and "<".
    pieces_of = copy.copy(simple)
    pieces_of.cache = {}
    steps = len(simple.encoder)
    for special in specials:
        merged, *pieces = pieces_of.bpe(special).split(" ")
        for piece in pieces:
            merges.append((merged, piece))
            merged += piece
            vocabulary[merged] = steps = steps + 1
        vocabulary[merged] = simple.encoder[special]
    return models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>", continuing_subword_prefix="")


def _words(specials: list[str]) -> str:
    # The classes are spelled out: regex libraries differ in their version of Unicode and in what (?i) does to a class.
    letters, digits, others = (_ranges(one) for one in (r"\p{L}", r"\p{N}", r"[^\s\p{L}\p{N}]"))
    literals = "|".join([*specials, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"])
    return f"(?i:{literals})|[{letters}]+|[{digits}]|[{others}]+"


def _ranges(one: str) -> str:
    runs = regex.findall(f"{one}+", _CHARACTERS, regex.IGNORECASE)
    return "".join(rf"\x{{{ord(run[0]):x}}}-\x{{{ord(run[-1]):x}}}" for run in runs)
