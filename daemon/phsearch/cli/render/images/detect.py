"""Which picture protocol this terminal has. The environment names most terminals; sixel only the terminal can tell."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import termios
import time
import tty
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHOICES = ("auto", "kitty", "iterm2", "sixel", "none")
_ANSWER_SECONDS = 0.5
_CELL = (8, 16)
"""The size for a terminal that does not tell its own."""
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]+)c")
_SIXEL = b"4"


class Cells(NamedTuple):
    """The terminal in cells, and one cell in pixels."""

    columns: int
    lines: int
    width: int
    height: int


def detect_protocol(how: str, stream: TextIO, env: Mapping[str, str]) -> str | None:
    """Return "kitty", "iterm2" or "sixel", None where pictures cannot be shown.

    A `how` other than "auto" is the user's choice, and is not checked.
    """
    if how != "auto":
        return None if how == "none" else how
    if not stream.isatty() or env.get("TERM", "dumb") == "dumb":
        return None
    # A multiplexer answers for itself, and draws over pictures that it does not know.
    if multiplexer(env):
        return None
    if found := _by_name(env):
        return found
    return "sixel" if _SIXEL in _device_attributes() else None


def multiplexer(env: Mapping[str, str]) -> str:
    """Return the name of the program between us and the terminal through which no pictures come; "" without one."""
    term = env.get("TERM", "")
    if env.get("TMUX") or term.startswith("tmux"):
        return "tmux"
    return "screen" if env.get("STY") or term.startswith("screen") else ""


def terminal_cells(stream: TextIO) -> Cells:
    """Return the size of the terminal and of its cells."""
    with contextlib.suppress(OSError, ValueError):
        lines, columns, width, height = struct.unpack("4H", fcntl.ioctl(stream.fileno(), termios.TIOCGWINSZ, bytes(8)))
        if columns and lines:
            known = width >= columns and height >= lines
            return Cells(columns, lines, *((width // columns, height // lines) if known else _CELL))
    return Cells(80, 24, *_CELL)


def _by_name(env: Mapping[str, str]) -> str | None:
    program, term = env.get("TERM_PROGRAM", ""), env.get("TERM", "")
    if env.get("ZELLIJ"):  # the variables of the terminal around it are still set
        return None
    if env.get("KITTY_WINDOW_ID") or "kitty" in term or "ghostty" in term or program == "ghostty":
        return "kitty"
    return "iterm2" if program in {"iTerm.app", "WezTerm", "mintty"} or env.get("LC_TERMINAL") == "iTerm2" else None


def _device_attributes() -> list[bytes]:
    """Return the terminal's primary device attributes (DA1), in which 4 means sixel; none without an answer."""
    with _terminal_without_echo() as terminal:
        if terminal is None:
            return []
        os.write(terminal, b"\x1b[c")
        answer, deadline = b"", time.monotonic() + _ANSWER_SECONDS
        while not (found := _ATTRIBUTES.search(answer)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                return []
            answer += os.read(terminal, 256)
        return found[1].split(b";")


@contextlib.contextmanager
def _terminal_without_echo() -> Iterator[int | None]:
    """Yield the terminal with echo and line editing off, so that its answer is read and not shown; None without one."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():  # the kernel would stop a background job that writes here
            yield None
            return
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal, termios.TCSANOW)
        try:
            yield terminal
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)
    finally:
        os.close(terminal)
