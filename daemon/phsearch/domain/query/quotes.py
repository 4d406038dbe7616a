"""Quotes of every kind that people type: text between them is only text."""

from __future__ import annotations

import re

CLOSING = {'"': '"', "“": "”", "”": "”", "„": "“”", "«": "»", "»": "«»"}
"""A quote that opens -> those that may close it. The apostrophe is no quote, because words contain it."""

QUOTES = "".join(CLOSING)

_ESCAPED = re.compile(rf"\\([\\{QUOTES}])")
_INSIDE = {
    opening: re.compile(rf"((?:[^{closing}\\]|\\.)*+)[{closing}]", re.DOTALL) for opening, closing in CLOSING.items()
}


def quoted(text: str) -> str:
    """Return `text` in quotes, so that the parser reads it as one value or one phrase."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(text: str, start: int) -> tuple[str, int] | None:
    """Return the text inside the quotes that open at `start`, and the place after them; None if they never close.

    A backslash makes a quote or a backslash after it plain text; before anything else it is plain text itself.
    """
    match = _INSIDE[text[start]].match(text, start + 1)
    return match and (_ESCAPED.sub(r"\1", match[1]), match.end())
