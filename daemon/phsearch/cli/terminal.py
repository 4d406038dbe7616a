"""What an output stream can show, and writing to it.

Bytes are written as bytes: a file name is not always text, so Python's text layer is bypassed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO, Self, TextIO

from phsearch.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_DUMB = ("", "dumb")
_NO_LINKS = ("linux", "eterm")  # these print an OSC that they do not know; other terminals skip it
_WIDTH = 80
_UNBOUNDED = 1 << 16  # nothing is cut in a pipe or a file

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
"""Styles, as the numbers of SGR."""


class Console:
    """One output stream: whether it is a terminal, and what that terminal understands."""

    def __init__(
        self,
        raw: BinaryIO,
        *,
        terminal: bool = False,
        styled: bool = False,
        links: bool = False,
        width: int = _UNBOUNDED,
        encoding: str = "utf-8",
    ) -> None:
        self._raw = raw
        self.terminal = terminal
        self.styled = styled
        self.links = links
        self.width = width
        self.encoding = encoding

    @classmethod
    def stdout(cls) -> Self:
        """Return the console of this process's stdout."""
        return cls.of(sys.stdout, os.environ)

    @classmethod
    def stderr(cls) -> Self:
        """Return the console of this process's stderr."""
        return cls.of(sys.stderr, os.environ)

    @classmethod
    def of(cls, stream: TextIO, env: Mapping[str, str]) -> Self:
        """Return the console of a stream.

        It has no escape sequences for a file, for a dumb terminal, and where NO_COLOR is set.
        """
        terminal, term = stream.isatty(), env.get("TERM", "")
        styled = terminal and term not in _DUMB and not env.get("NO_COLOR")
        return cls(
            stream.buffer,
            terminal=terminal,
            styled=styled,
            links=styled and not term.startswith(_NO_LINKS),
            width=_width(stream, env) if terminal else _UNBOUNDED,
            encoding=stream.encoding,
        )

    def dim(self, text: str) -> str:
        """Return text in a dim style."""
        return self.styled_as(text, DIM)

    def bold(self, text: str) -> str:
        """Return text in bold."""
        return self.styled_as(text, BOLD)

    def styled_as(self, text: str, style: str) -> str:
        """Return text in a style; unchanged where there are no styles."""
        return f"\x1b[{style}m{text}\x1b[m" if self.styled and text else text

    def print_line(self, text: str, *, dim: bool = False) -> None:
        """Write a line of text. Control characters in it are escaped: a file name must not drive the terminal."""
        text = one_line(text)
        self.write((self.dim(text) if dim else text) + "\n")

    def write(self, data: str | bytes) -> None:
        """Write all data, and flush."""
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
