"""How many files this process may have open."""

from __future__ import annotations

import contextlib
import resource

_ENOUGH = 65_536
"""Some systems allow a billion, and programs that close "all" descriptors take minutes there."""


def raise_limit() -> int:
    """Raise the limit as far as is allowed and sensible; gives what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft
