"""The sandbox that a worker enters before it decodes the first photo, and never leaves.

Pictures are untrusted data, and decoders have had security holes. So a worker whose model is loaded and has run once
keeps only what it still needs: reading photos and libraries, its threads, its device, and the one socket it was given.
It cannot use the network, start a program, write or create a file, change the mode or name of a file, signal other
processes, or read their memory. A refused call is an error (EPERM) and does not end the process, so a library can
continue without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.sandbox import landlock, limits, seccomp

if TYPE_CHECKING:
    from collections.abc import Sequence


def enter_sandbox(photos: Sequence[str] | None, *, device: bool, writes: bool = False) -> str:
    """Put this process into the sandbox; return the parts in effect, e.g. "limits, seccomp, landlock 4".

    `photos` are the folders it may read besides those of the system and of Python; None if links may lead anywhere.
    With `device` it may still use the nodes of a GPU, with `writes` write to the files that it has open. Parts that
    the kernel does not support are left out: old kernels have no Landlock, or only some of its rules.
    """
    limits.set_rlimits(writes=writes)
    limits.drop_capabilities()
    # Landlock first: the seccomp filter would refuse the calls that install it.
    version = landlock.install_ruleset(photos, device=device)
    parts = (
        "limits",
        "seccomp" if seccomp.install_filter(device=device) else "",
        f"landlock {version}" if version else "",
    )
    return ", ".join(filter(None, parts))
