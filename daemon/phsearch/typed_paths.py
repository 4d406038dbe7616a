"""Paths as people type them: relative to where they stand, with `~`, or as a URL copied from a file manager.

Names are made absolute and never resolved: the owner knows the library by the names in the settings. The kernel knows
the current folder only without links, so a shell's $PWD says by which name the owner entered it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = "file:"


def working_folder(env: Mapping[str, str]) -> str:
    """Return the current folder, by the shell's name for it. Raises OSError if it was removed."""
    here = os.getcwd()  # noqa: PTH109 - pathlib costs a query more than its round trip
    named = env.get("PWD", "")
    if named == here or not named.startswith("/"):
        return here
    try:
        return os.path.normpath(named) if os.path.samefile(named, here) else here  # noqa: PTH121 - as above
    except OSError:
        return here


def absolute_path(typed: str, env: Mapping[str, str]) -> str:
    """Return a typed path as an absolute one. Raises OSError for a relative one in a folder that was removed."""
    path = expand_typed(typed, env.get("HOME", ""))
    return os.path.normpath(path if path.startswith("/") else f"{working_folder(env)}/{path}")


def expand_typed(typed: str, home: str) -> str:
    """Return a typed path without `file:` and with `~` and `~user` replaced; it may still be relative."""
    if typed.startswith(_URL):
        from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - only for a URL

        path = typed.removeprefix(_URL)
        if path.startswith("//"):  # a host may follow: none, or this one
            path = "/" + path.removeprefix("//").partition("/")[2]
        return os.fsdecode(unquote_to_bytes(os.fsencode(path))) if path.startswith("/") else typed
    if home and (typed == "~" or typed.startswith("~/")):
        return home.rstrip("/") + typed[1:]
    return os.path.expanduser(typed) if typed.startswith("~") else typed  # noqa: PTH111 - as above
