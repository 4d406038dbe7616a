"""Run the client on a pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import unicodedata
from typing import TYPE_CHECKING

from support.harness import PHSEARCH_CLIENT
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def driving_chars(text: str) -> list[str]:
    """Return the characters of a text that a terminal would obey instead of showing them."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI_CONTROLS]


class Ran:
    """The result of a run: exit status and output."""

    def __init__(self, status: int, out: bytes, err: str = "") -> None:
        self.status, self.raw, self.err = status, out, err
        self.out = out.decode("utf-8", "surrogateescape")


def run_on_terminal(
    env: Mapping[str, str],
    *args: str,
    columns: int = 60,
    program: Sequence[str] = PHSEARCH_CLIENT,
    until: str = "",
) -> Ran:
    """Run the client, or another program, on a new terminal. Both streams are returned as one, as a user sees them.

    When its output matches the pattern `until`, the program is interrupted.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([*program, *args], env=env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        seen = b""
        while select.select([master], [], [], 20)[0]:
            try:
                chunk = os.read(master, 4096)
            except OSError:  # EIO: the last process has closed the terminal
                break
            seen += chunk
            if until and re.search(until.encode(), seen):
                process.send_signal(signal.SIGINT)
                until = ""
        process.wait(scaled(20))
    os.close(master)
    return Ran(process.returncode, seen.replace(b"\r\n", b"\n"))
