"""Why a worker exited, how much that says of the photo it was decoding, and how the list of errors words it.

A decoder that crashes, hangs or takes too much memory does so again when it is alone with its photo. A SIGKILL that we
did not send is different: it comes from the kernel when memory runs out, or from a person, and mostly says nothing
about the photo. Nor does a model that is silent, if it gives no result for any photo: then its device hangs. So for
each kind of exit, a photo must be decoded at another number of exits before it is blamed.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from phsearch.domain.indexing.failure_kind import FailureScope

ExitCause = Literal["crash", "hang", "silent", "memory", "killed", "outdated"]

BLAME_THRESHOLD = 24
"""The evidence at which a photo is blamed."""

UNPROVEN = BLAME_THRESHOLD // 8
"""The evidence of a silent model that has given no result since it was silent last: its device may hang."""

_EXITS_TO_BLAME: dict[ExitCause, int] = {
    "crash": 3,
    "hang": 2,
    "silent": 2,
    "memory": 2,
    "killed": 8,
    "outdated": BLAME_THRESHOLD + 1,
}


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """The end of a worker. `reason` completes "this photo cannot be had because"."""

    cause: ExitCause
    reason: str

    @property
    def scope(self) -> FailureScope:
        """Of what it holds that a photo is blamed for exits like this: some may have come from the machine."""
        return "file" if self.cause in {"killed", "silent"} else "content"

    @property
    def evidence(self) -> int:
        """The evidence of this exit against the photo that was being decoded, of `BLAME_THRESHOLD`."""
        return BLAME_THRESHOLD // _EXITS_TO_BLAME[self.cause]


def exited(status: int) -> WorkerExit:
    """Return the exit of a worker that ended by itself; `status` is that of subprocess, negative for a signal."""
    if status == -signal.SIGKILL:
        return WorkerExit("killed", "each worker that decoded it was killed (SIGKILL): memory may have run out")
    if status < 0:
        return WorkerExit("crash", f"its decoder crashed ({_name(-status)})")
    return WorkerExit("crash", f"its decoder ended the worker (exit status {status})")


def nonsense(what: str) -> WorkerExit:
    """Return the exit of a worker that was killed because it sent what no sound worker sends."""
    return WorkerExit("crash", f"its decoder no longer made sense ({what})")


def describe(status: int) -> str:
    """Return in words how a process exited that decodes nothing."""
    return f"killed ({_name(-status)})" if status < 0 else f"exit status {status}"


def decode_timeout(seconds: float) -> WorkerExit:
    """Return the exit of a worker that was killed because it decoded a photo for longer than `seconds`."""
    return WorkerExit("hang", f"decoding took longer than {seconds:g} s")


def model_timeout(seconds: float) -> WorkerExit:
    """Return the exit of a worker that was killed because its model gave no result for `seconds`."""
    return WorkerExit("silent", f"the model took longer than {seconds:g} s over it")


def memory_exceeded(limit: int) -> WorkerExit:
    """Return the exit of a worker that was killed because it took more memory than `limit` bytes."""
    return WorkerExit("memory", f"it needs more than {limit >> 20:,} MB of memory to decode")


def disk_stalled() -> WorkerExit:
    """Return the exit of a worker that was killed because the disk of its photos does not answer."""
    return WorkerExit("hang", "its disk does not answer")


def sandbox_outdated() -> WorkerExit:
    """Return the exit of a worker that was killed because a disk was mounted that its sandbox does not allow."""
    return WorkerExit("outdated", "a disk was mounted since the worker was started")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
