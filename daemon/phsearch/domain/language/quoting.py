"""Quotes: what stands in them is text, whatever it is."""

from __future__ import annotations

import re

CLOSING = {'"': '"', "“": "”", "”": "”", "„": "“”", "«": "»", "»": "«»"}
"""What opens a quoted text -> what may close it. The apostrophe is none, for it stands in words."""

QUOTES = "".join(CLOSING)

_ESCAPED = re.compile(rf"\\([\\{QUOTES}])")
_INSIDE = {
    opening: re.compile(rf"((?:[^{closing}\\]|\\.)*+)[{closing}]", re.DOTALL) for opening, closing in CLOSING.items()
}


def quoted(text: str) -> str:
    """Write `text` so that the parser takes it as one value, or as one phrase."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(text: str, start: int) -> tuple[str, int] | None:
    """Read the quoted text that opens at `start`: what it says, and where it is over. None if it is never closed.

    A backslash before a quote or another backslash takes away its meaning; before anything else it is itself.
    """
    found = _INSIDE[text[start]].match(text, start + 1)
    return found and (_ESCAPED.sub(r"\1", found[1]), found.end())
