"""Why a worker ended, what that says of the photo it was busy with, and how `errors` puts it.

A decoder that crashes, hangs or eats memory does so again when it is alone with its photo. A SIGKILL that we did not
send is another matter: it comes from the kernel when memory runs out, or from a person, and mostly says nothing about
the photo. So each kind of death needs its own number of witnesses before a photo is blamed.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

Cause = Literal["crash", "hang", "memory", "killed", "outdated"]

BLAME_THRESHOLD = 24
"""How much evidence blames a photo."""

_EXITS_TO_BLAME: dict[Cause, int] = {"crash": 3, "hang": 2, "memory": 2, "killed": 8, "outdated": BLAME_THRESHOLD + 1}


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """The end of a worker. `reason` completes "this photo cannot be had because"."""

    cause: Cause
    reason: str

    @property
    def evidence(self) -> int:
        """What this death weighs against the photo that was being decoded, of `PROOF`."""
        return BLAME_THRESHOLD // _EXITS_TO_BLAME[self.cause]


def exited(status: int) -> WorkerExit:
    """Explain a worker that ended by itself; `status` as subprocess gives it, negative for a signal."""
    if status == -signal.SIGKILL:
        return WorkerExit("killed", "each worker that decoded it was killed (SIGKILL): memory may have run out")
    if status < 0:
        return WorkerExit("crash", f"its decoder crashed ({_name(-status)})")
    return WorkerExit("crash", f"its decoder ended the worker (exit status {status})")


def describe(status: int) -> str:
    """Say how a process ended that decodes nothing."""
    return f"killed ({_name(-status)})" if status < 0 else f"exit status {status}"


def decode_timeout(seconds: float) -> WorkerExit:
    """Explain a worker that was ended since it decoded a photo for longer than `seconds`."""
    return WorkerExit("hang", f"decoding took longer than {seconds:g} s")


def model_timeout(seconds: float) -> WorkerExit:
    """Explain a worker that was ended since its model said nothing for `seconds`."""
    return WorkerExit("hang", f"the model took longer than {seconds:g} s over it")


def memory_exceeded(limit: int) -> WorkerExit:
    """Explain a worker that was ended since it took more memory than `limit` bytes."""
    return WorkerExit("memory", f"it needs more than {limit >> 20:,} MB of memory to decode")


def disk_stalled() -> WorkerExit:
    """Explain a worker that was ended since the disk its photos lie on does not answer, and so neither would it."""
    return WorkerExit("hang", "its disk does not answer")


def sandbox_outdated() -> WorkerExit:
    """Explain a worker that was ended since a disk was mounted after it had been confined to what was there before."""
    return WorkerExit("outdated", "a disk was mounted since the worker was started")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
