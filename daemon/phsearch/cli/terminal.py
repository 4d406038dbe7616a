"""What a stream can show, and writing to it.

Bytes go out as bytes: a file name is not always text, so Python's text layer is bypassed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Self, TextIO

from phsearch.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_DUMB = ("", "dumb")
_NO_LINKS = ("linux", "eterm")  # consoles that print what they do not know; others skip an unknown OSC
_WIDTH = 80
_UNBOUNDED = 1 << 16  # where nobody looks nothing is cut


BOLD, DIM, GREEN, YELLOW = "1", "2", "32", "33"
"""Styles, as SGR has them."""


class Console:
    """One output stream: whether it is a terminal, and what that understands."""

    def __init__(
        self,
        raw: BinaryIO,
        *,
        terminal: bool = False,
        styled: bool = False,
        links: bool = False,
        width: int = _UNBOUNDED,
    ) -> None:
        self._raw = raw
        self.terminal = terminal
        self.styled = styled
        self.links = links
        self.width = width
        self.encoding = "utf-8"

    @classmethod
    def of(cls, stream: TextIO, env: Mapping[str, str]) -> Self:
        """Look at a stream: no escape sequence goes into a file, a dumb terminal, or where NO_COLOR is set."""
        terminal, term = stream.isatty(), env.get("TERM", "")
        styled = terminal and term not in _DUMB and not env.get("NO_COLOR")
        links = styled and not term.startswith(_NO_LINKS)
        screen = cls(
            stream.buffer,
            terminal=terminal,
            styled=styled,
            links=links,
            width=_width(stream, env) if terminal else _UNBOUNDED,
        )
        screen.encoding = stream.encoding
        return screen

    def dim(self, text: str) -> str:
        """Give text that steps back."""
        return self.styled_as(text, DIM)

    def bold(self, text: str) -> str:
        """Give text that stands out."""
        return self.styled_as(text, BOLD)

    def styled_as(self, text: str, style: str) -> str:
        """Give text in a style, where there are styles."""
        return f"\x1b[{style}m{text}\x1b[m" if self.styled and text else text

    def print_line(self, text: str, *, dim: bool = False) -> None:
        """Write a line of words, in which a name must not drive the terminal."""
        text = one_line(text)
        self.write((self.dim(text) if dim else text) + "\n")

    def write(self, data: str | bytes) -> None:
        """Write all of it, now."""
        if isinstance(data, str):
            data = data.encode(self.encoding, "backslashreplace")
        view = memoryview(data)
        while view:  # with PYTHONUNBUFFERED the stream is the bare file, which may take only a part
            view = view[self._raw.write(view) or 0 :]
        self._raw.flush()


def _width(stream: TextIO, env: Mapping[str, str]) -> int:
    if (columns := env.get("COLUMNS", "")).isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH
