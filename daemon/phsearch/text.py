"""Text for a terminal. A file name may hold any bytes, and must never drive the terminal."""

from __future__ import annotations

import re
import unicodedata

MINUSES = "－﹣–—―−‐‑‒"  # noqa: RUF001 - what keyboards and text fields make of "-"
PLUSES = "＋﹢"  # noqa: RUF001
COLONS = "：﹕"  # noqa: RUF001

# Bytes that were not UTF-8, as surrogateescape carries them.
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
_REASON = 160
_URI_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")


_CONTROL = re.compile(
    "[\0-\x1f\x7f-\x9f"  # C0 and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # the order of text: a name could be shown as another one
    "\u2028\u2029\ud800-\udfff]"  # the ends of lines and paragraphs; bytes that are no text
)
_CONTROL_IN_LINES = re.compile(f"(?!\n){_CONTROL.pattern}")


def drives_terminal(text: str) -> bool:
    """Whether a terminal would do something else than show the text.

    Every blank, joiner and variation selector is only shown, also one that this Python's Unicode does not know yet.
    """
    return _CONTROL.search(text) is not None


def escape_control_chars(text: str) -> str:
    """Return text with control characters and undecodable bytes escaped. Readable characters and newlines stay."""
    return _CONTROL_IN_LINES.sub(lambda found: _escape(found[0]), text)


def escape_invisible(text: str) -> str:
    """Return one line in which every character can be seen: for readers that also take what is not shown for text."""
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def one_line(text: str) -> str:
    """Return text with newlines escaped too: a name must not look like another line."""
    return escape_control_chars(text).replace("\n", r"\n")


def replace_surrogates(text: str) -> str:
    """Return text that every reader of JSON accepts: bytes that are not UTF-8 become the replacement character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fold_name(text: str) -> str:
    """Return a name in the form in which names are compared: neither case nor the form of accented letters counts."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def short_reason(error: BaseException) -> str:
    """Return what an error of a library says, as one line of at most 160 characters; without words its name."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _REASON else f"{text[: _REASON - 3]}..."


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
