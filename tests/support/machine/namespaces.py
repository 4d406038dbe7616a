"""Programs in their own namespaces, where limits can be lowered and disks mounted for them only."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

MOUNTING = ("unshare", "--mount", "--propagation", "private") + (() if os.geteuid() == 0 else ("--map-root-user",))
"""The command that runs a program where it may mount."""

_SCRIPT = 'for pair in $0; do echo "${pair#*=}" > "/proc/sys/user/max_inotify_${pair%%=*}" || exit 125; done; exec "$@"'


def limited(*program: str, **limits: int) -> tuple[str, ...]:
    """Return the command that runs `program` with at most `watches` and `instances` of inotify.

    These are the limits of the user namespace (user.max_inotify_watches). fs.inotify.max_user_watches and the like are
    limits of the whole machine, also when they are written in a namespace: a test must never change them.
    """
    return ("unshare", "--user", "--map-root-user", "sh", "-c", _SCRIPT, _pairs(limits), *program)


def _pairs(limits: dict[str, int]) -> str:
    return " ".join(f"{name}={value}" for name, value in limits.items())


@cache
def why_not() -> str:
    """Return why limits cannot be lowered here, or "" if they can."""
    if shutil.which("unshare") is None:
        return "needs unshare from util-linux"
    done = subprocess.run(limited("true", watches=5, instances=5), capture_output=True, text=True, check=False)
    return f"no user namespace to be had: {done.stderr.strip()}" if done.returncode else ""


@cache
def why_no_mounts() -> str:
    """Return why nothing can be mounted in a namespace here, or "" if it can."""
    if shutil.which("unshare") is None:
        return "needs unshare from util-linux"
    trial = [*MOUNTING, "mount", "-t", "tmpfs", "none", "/mnt"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    return f"mounting in a namespace is not permitted: {done.stderr.strip()}" if done.returncode else ""
