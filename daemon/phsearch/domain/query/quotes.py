"""Quotes of every kind that people type: text between them is only text."""

from __future__ import annotations

import re

CLOSING = {'"': '"', "“": "”", "”": "”", "„": "“”", "«": "»", "»": "«»"}
"""A quote that opens -> those that may close it. The apostrophe is no quote, because words contain it."""

QUOTES = "".join(CLOSING)

_BRACKETS = {"「": "」", "『": "』", "＂": "＂", "〝": "〞〟"}  # noqa: RUF001 - as they are typed
"""Quotes of scripts without blanks, in which they also stand inside a text. So they are quotes around a whole term."""

OPENING = QUOTES + "".join(_BRACKETS)

_ESCAPED = re.compile(rf"\\([\\{QUOTES}])")
_INSIDE = {
    opening: re.compile(rf"((?:[^{closing}\\]|\\.)*+)[{closing}]", re.DOTALL)
    for opening, closing in (CLOSING | _BRACKETS).items()
}


def quoted(text: str) -> str:
    """Return `text` in quotes, so that the parser reads it as one value or one phrase."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def opens_quote(text: str, start: int, after: str) -> bool:
    """Whether one of OPENING opens a quote; a bracket does if a blank, the end or one of `after` follows it, closed."""
    if text[start] in CLOSING:
        return True
    match = _INSIDE[text[start]].match(text, start + 1)
    if match is None or not match[1].strip():
        return False
    end = match.end()
    return end == len(text) or text[end].isspace() or text[end] in after


def unquoted(text: str, start: int) -> tuple[str, int] | None:
    """Return the text inside the quotes that open at `start`, and the place after them; None if they never close.

    A backslash makes a quote or a backslash after it plain text; before anything else it is plain text itself.
    """
    match = _INSIDE[text[start]].match(text, start + 1)
    return match and (_ESCAPED.sub(r"\1", match[1]), match.end())
