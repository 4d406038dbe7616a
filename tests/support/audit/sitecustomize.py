"""Reports the imports and network calls of each Python process to the FIFO $AUDIT_FIFO.

Python imports this module at the start of every process whose PYTHONPATH names this folder. The FIFO is opened before a
worker enters its sandbox, where it could open nothing for writing and no file may grow.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_fifo = os.open(os.environ["AUDIT_FIFO"], os.O_WRONLY)


def _report(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "import":
        _write(event, str(arguments[0]))
    elif event in _NETWORK:
        _write(event, repr([each for each in arguments if not hasattr(each, "fileno")]))


def _write(event: str, text: str) -> None:
    os.write(_fifo, json.dumps([os.getpid(), event, text[:200]]).encode() + b"\n")


sys.addaudithook(_report)
_write("start", " ".join(sys.orig_argv))
