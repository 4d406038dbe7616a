"""What a worker gives up for good before it looks at the first photo.

A picture is somebody else's data, and decoders have had holes. So a worker whose model is loaded and has run once keeps
only what it still needs: reading photos and libraries, its threads, its device, and the one socket it was given. It
cannot reach the network, start a program, write or create a file, change one's mode or name, or signal and look into
other processes. A refusal is an error (EPERM), not the end: what a library tries in vain it does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.adapters.sandbox import landlock, limits, seccomp

if TYPE_CHECKING:
    from collections.abc import Sequence


def enter_sandbox(photos: Sequence[str] | None, *, device: bool) -> str:
    """Confine this process; gives what is in effect, e.g. "limits, seccomp, landlock 4".

    `photos` are the folders whose files it may read besides the system's and Python's own; None where links may lead
    anywhere. With `device` it may still use the nodes of a GPU. What the kernel does not know is left out: old
    kernels have neither Landlock nor all of its rules.
    """
    limits.set_rlimits()
    limits.drop_capabilities()
    # Landlock first: the filter would refuse the calls that install it.
    version = landlock.install_ruleset(photos, device=device)
    parts = (
        "limits",
        "seccomp" if seccomp.install_filter(device=device) else "",
        f"landlock {version}" if version else "",
    )
    return ", ".join(filter(None, parts))
