"""The actions of a decoder that an attacker controls. They run in a sandboxed worker, in its decoding threads."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A thread that started before the sandbox, like those of torch.
_EARLIER = ThreadPoolExecutor(1)
_EARLIER.submit(int).result()
_PTRACE_ATTACH = 16
_CLONE3, _IO_URING_SETUP = 435, 425
_libc = ctypes.CDLL(None, use_errno=True)


def pry(path: str) -> list[str]:
    """Try everything; return the names of the actions that succeeded."""
    acts = _acts(path)
    done = [name for name, act in acts.items() if _done(act)]
    # Landlock does not apply to threads that were there before; the seccomp filter does.
    elsewhere = {name: act for name, act in acts.items() if not name.startswith("read ")}
    return done + [
        f"{name} (earlier thread)" for name, act in elsewhere.items() if _EARLIER.submit(_done, act).result()
    ]


def _done(act: Callable[[], object]) -> bool:
    try:
        result = act()
    except (OSError, ValueError):
        return False
    return not (isinstance(result, int) and result < 0)


def _acts(path: str) -> dict[str, Callable[[], object]]:
    home = Path.home()
    here = Path(path)
    return {
        "open a TCP socket": lambda: socket.socket(socket.AF_INET),
        "open a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "speak to the daemon": lambda: socket.socket(socket.AF_UNIX).connect(str(home / "run/phsearch/phsearch.sock")),
        "run a program": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
        "become a program": _execute,
        "fork": _fork,
        "clone3": lambda: _libc.syscall(_CLONE3, None, 0),
        "create a file": lambda: (here.parent / "made").write_text("x"),
        "create a file in /tmp": lambda: Path(f"/tmp/phsearch-escape-{os.getpid()}").write_text("x"),
        "write into a photo": lambda: os.write(os.open(here, os.O_WRONLY), b"x"),
        "truncate a photo": lambda: os.truncate(here, 0),
        "delete a photo": here.unlink,
        "rename a photo": lambda: here.rename(here.with_suffix(".old")),
        "link a photo": lambda: os.link(here, here.with_suffix(".link")),
        "change a mode": lambda: here.chmod(0o666),
        "touch a photo": lambda: os.utime(here),
        "read a key": (home / ".ssh" / "id").read_bytes,
        "read the index": lambda: list((home / "state" / "phsearch").iterdir()),
        "read the daemon's memory": lambda: open(f"/proc/{os.getppid()}/mem", "rb").close(),
        "read the daemon's environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "end the daemon": lambda: os.kill(os.getppid(), signal.SIGTERM),
        "trace the daemon": lambda: _libc.ptrace(_PTRACE_ATTACH, os.getppid(), None, None),
        "set up io_uring": lambda: _libc.syscall(_IO_URING_SETUP, 1, None),
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)),
    }


def _execute() -> None:
    """Run a program that does not exist, or the test would end: if exec is allowed, the error is ENOENT."""
    with contextlib.suppress(FileNotFoundError):
        os.execv("/nonexistent", ["x"])


def _fork() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
