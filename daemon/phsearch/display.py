"""Text for a person's screen: a file name is somebody else's data and must never drive the terminal."""

from __future__ import annotations

# Bytes that were not UTF-8, as surrogateescape carries them.
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes; what a person can read stays as it is."""
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def one_line(text: str) -> str:
    """Escape newlines, too: a name must not pass for a line of its own."""
    return printable(text).replace("\n", r"\n")


def _escape(char: str) -> str:
    code = ord(char)
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
