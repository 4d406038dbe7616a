r"""Paths as a table shows them: short, and ready to be pasted into a shell.

A path is relative to the current folder, or begins with "~" for the home folder, or is absolute. Words that a shell
would not take as they are get quotes, as `ls` prints them: ~/'My Photos/a b.jpg'. Control characters and bytes that are
no text are escaped: $'a\x1bb.jpg'.
"""

from __future__ import annotations

import os

from phsearch.paths import working_folder
from phsearch.text import drives_terminal

_PLAIN = frozenset("%+,-./:@_")


def short_path(path: str) -> str:
    """Return an absolute path as it is shown."""
    try:
        here = working_folder(os.environ)
    except OSError:  # the folder was removed
        here = ""
    return shorten(path, here, os.environ.get("HOME", ""))


def shorten(path: str, here: str, home: str) -> str:
    """Return `path` relative to the folder `here` or to `home`, as a word of a shell."""
    if (rest := _below(here, path)) is not None:
        return shell_word(f"./{rest}" if rest.startswith(("-", "~")) else rest)
    if (rest := _below(home, path)) is not None:
        return f"~/{shell_word(rest)}"
    return shell_word(path)


def shell_word(text: str) -> str:
    """Return `text` as one word of a shell, safe for a terminal."""
    if all(char.isalnum() or char in _PLAIN for char in text):
        return text
    if drives_terminal(text):
        return "$'" + "".join(map(_escape, text)) + "'"
    return "'" + text.replace("'", "'\\''") + "'"


def _below(folder: str, path: str) -> str | None:
    folder = folder.rstrip("/")
    return path[len(folder) + 1 :] if folder and path.startswith(f"{folder}/") and len(path) > len(folder) + 1 else None


def _escape(char: str) -> str:
    if char in "'\\":
        return f"\\{char}"
    if not drives_terminal(char):
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
