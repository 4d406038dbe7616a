"""Text for a terminal. A file name may hold any bytes, and must never drive the terminal."""

from __future__ import annotations

import re
import unicodedata

# Bytes that were not UTF-8, as surrogateescape carries them.
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
_URI_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")


def escape_control_chars(text: str) -> str:
    """Return text with control characters and undecodable bytes escaped. Readable characters and newlines stay."""
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def one_line(text: str) -> str:
    """Return text with newlines escaped too: a name must not look like another line."""
    return escape_control_chars(text).replace("\n", r"\n")


def replace_surrogates(text: str) -> str:
    """Return text that every reader of JSON accepts: bytes that are not UTF-8 become the replacement character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fold_name(text: str) -> str:
    """Return a name in the form in which names are compared: neither case nor the form of accented letters counts."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def slug(text: str) -> str:
    """Return the ASCII letters and digits of a text in lower case, with "_" for what is between them."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()


def file_uri(path: str, host: str = "") -> str:
    """Return the `file:` URI of a path, with every byte of it."""
    data = path.encode("utf-8", "surrogateescape")
    return f"file://{host}" + "".join(chr(byte) if byte in _URI_SAFE else f"%{byte:02X}" for byte in data)


def _escape(char: str) -> str:
    code = ord(char)
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
