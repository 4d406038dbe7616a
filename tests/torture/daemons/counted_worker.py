"""A worker that records each photo it embeds, the moment before it tells the daemon.

The worker is the real one or, with PHSEARCH_TORTURE_MODEL=colour, the colour worker. A written line survives
kill -9, and so the record counts forward passes over all lives, whatever the daemon itself could remember.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch.adapters.sandbox import limits
from phsearch.service.workers.frames import Frame, WorkerChannel

if TYPE_CHECKING:
    from collections.abc import Callable

COSTS_FILE, MODEL = "PHSEARCH_TORTURE_LEDGER", "PHSEARCH_TORTURE_MODEL"

_asked: dict[str, tuple[int, int]] = {}
_limits = limits.set_rlimits
_send, _receive = WorkerChannel.send_message, WorkerChannel.receive_message


def _counting_receive(channel: WorkerChannel) -> Frame | None:
    frame = _receive(channel)
    if frame is not None:
        _asked.update({path: (size, mtime_ns) for path, size, mtime_ns, *_ in frame[0].get("photos", ())})
    return frame


def _counting_send(costs: int) -> Callable[[WorkerChannel, dict[str, Any], bytes], None]:
    """Return what sends a message, after it has noted the photos in it in the open file `costs`."""

    def send(channel: WorkerChannel, header: dict[str, Any], payload: bytes = b"") -> None:
        if header["op"] == "embedded" and header.get("photos"):
            os.write(costs, "".join(_line(row["path"]) for row in header["photos"]).encode())
        _send(channel, header, payload)

    return send


def _line(path: str) -> str:
    return json.dumps({"at": time.time(), "pid": os.getpid(), "path": path, "digest": _digest(path)}) + "\n"


def _digest(path: str) -> str | None:
    """Return the digest of what was embedded, or None if the file has changed since."""
    try:
        data = Path(path).read_bytes()
        status = os.stat(path)
    except OSError:
        return None
    unchanged = (status.st_size, status.st_mtime_ns) == _asked.get(path)
    return hashlib.blake2b(data, digest_size=16).hexdigest() if unchanged else None


def _set_rlimits(**_: bool) -> None:
    _limits(writes=True)  # the costs must be able to grow


if __name__ == "__main__":
    limits.set_rlimits = _set_rlimits
    # Before the sandbox, in which nothing can be opened for writing.
    opened = os.open(os.environ[COSTS_FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    WorkerChannel.send_message = _counting_send(opened)  # type: ignore[method-assign, assignment]
    WorkerChannel.receive_message = _counting_receive  # type: ignore[method-assign, assignment]
    if os.environ.get(MODEL) == "colour":
        from support.workers.colour import main
    else:
        from phsearch.worker.__main__ import main
    with contextlib.suppress(BrokenPipeError):  # the daemon was killed
        main()
