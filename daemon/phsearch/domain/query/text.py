"""Checks and cleaning of a text before the text worker embeds it."""

from __future__ import annotations

import unicodedata

from phsearch.errors import UnsupportedQueryError


def clean(query: str) -> str:
    """Return the query with single spaces and composed characters."""
    return " ".join(unicodedata.normalize("NFC", query).split())


def check_script(query: str, model: str) -> None:
    """Raise UnsupportedQueryError when most letters are not Latin.

    An English model never learned other scripts, and its hits would be noise.
    """
    letters = [char for char in query if char.isalpha()]
    foreign = [char for char in letters if "LATIN" not in unicodedata.name(char, "")]
    if len(foreign) * 2 <= len(letters):
        return
    raise UnsupportedQueryError(
        f'the model "{model}" understands English only',
        'ask in English, or set model.name to a multilingual model, e.g. "xlm-roberta-base-ViT-B-32" with pretrained '
        '"laion5b_s13b_b90k"',
    )
