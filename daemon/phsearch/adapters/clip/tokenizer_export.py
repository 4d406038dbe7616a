"""Exports open_clip's tokenizers as a tokenizer.json, so that a query needs neither torch nor transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from tokenizers import Tokenizer

from phsearch.adapters.clip.byte_pairs import convert_byte_pairs, special_tokens
from phsearch.adapters.clip.exact_scores import write_exactly
from phsearch.adapters.clip.open_clip_library import open_clip
from phsearch.adapters.clip.tokenizer_phrases import phrases
from phsearch.domain.model.tokenization import CleaningRule, TokenizerSettings, encode_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

_library = open_clip.tokenizer


@dataclass(frozen=True, slots=True)
class ExportedTokenizer:
    """A tokenizer.json and the settings beside it."""

    json: str
    settings: TokenizerSettings


def export_tokenizer(tokenizer: Any) -> ExportedTokenizer | str:
    """Export what open_clip.get_tokenizer returned, or return in a sentence why that is not possible.

    The export must give the same ids for some hundred phrases.
    """
    try:
        if why_not := _why_not(tokenizer):
            return why_not
        exported = _export(tokenizer)
        different = _first_difference(tokenizer, exported, phrases(_specials(tokenizer)))
    except Exception as error:  # noqa: BLE001 - tokenizers from the hub may fail in any way
        return f"the tokenizer {_name(tokenizer)} cannot be exported: {error or type(error).__name__}"
    if different is not None:
        return f"the exported tokenizer {_name(tokenizer)} makes other tokens of {different!a}"
    return exported


def _why_not(tokenizer: Any) -> str:
    if type(tokenizer) not in (_library.HFTokenizer, _library.SigLipTokenizer, _library.SimpleTokenizer):
        return f"the tokenizer {_name(tokenizer)} is unknown"
    if getattr(tokenizer, "reduction_fn", None):
        return "the tokenizer leaves out tokens by a reduction mask"
    if mode := getattr(tokenizer, "tokenizer_mode", ""):
        return f'the tokenizer has the mode "{mode}"'
    if not isinstance(tokenizer, _library.SimpleTokenizer) and not tokenizer.tokenizer.is_fast:
        return f"the tokenizer {_name(tokenizer)} has no fast form"
    return ""


def _export(tokenizer: Any) -> ExportedTokenizer:
    settings = TokenizerSettings(
        clean=_cleaning_rule(tokenizer),
        context_length=tokenizer.context_length,
        split_special_tokens=False,
        zeroed_id=None,
    )
    if isinstance(tokenizer, _library.SimpleTokenizer):
        return ExportedTokenizer(write_exactly(convert_byte_pairs(tokenizer)), settings)
    tokenizer(["a photo"])  # this call sets truncation and padding of the fast tokenizer
    settings["split_special_tokens"] = bool(tokenizer.tokenizer.split_special_tokens)
    if getattr(tokenizer, "strip_sep_token", False):
        settings["zeroed_id"] = tokenizer.tokenizer.sep_token_id
    return ExportedTokenizer(write_exactly(tokenizer.tokenizer.backend_tokenizer), settings)


def _first_difference(tokenizer: Any, exported: ExportedTokenizer, texts: Sequence[str]) -> str | None:
    fast = Tokenizer.from_str(exported.json)
    fast.encode_special_tokens = exported.settings["split_special_tokens"]
    same = tokenizer(list(texts)).numpy() == encode_texts(fast, exported.settings, texts)
    return next((text for text, is_same in zip(texts, same.all(axis=1), strict=True) if not is_same), None)


def _cleaning_rule(tokenizer: Any) -> CleaningRule:
    # SigLipTokenizer has no choice of a rule.
    function = getattr(tokenizer, "clean_fn", _library.get_clean_fn("canonicalize"))
    rules: tuple[CleaningRule, ...] = get_args(CleaningRule)
    return next(rule for rule in rules if _library.get_clean_fn(rule) is function)


def _specials(tokenizer: Any) -> list[str]:
    if isinstance(tokenizer, _library.SimpleTokenizer):
        return special_tokens(tokenizer)
    return [str(token) for token in tokenizer.tokenizer.all_special_tokens]


def _name(tokenizer: Any) -> str:
    return type(getattr(tokenizer, "tokenizer", tokenizer)).__name__
