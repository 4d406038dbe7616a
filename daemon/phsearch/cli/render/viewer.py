"""Open hits in the desktop's viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPENERS = ("xdg-open", "gio")


def open_photos(paths: Iterable[str]) -> None:
    """Open photos. Raise PhsearchError if they cannot be opened."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise PhsearchError(
            "there is no desktop to open a photo on (neither DISPLAY nor WAYLAND_DISPLAY is set)",
            "leave --open out, or ask in a terminal of the desktop",
        )
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        raise PhsearchError("there is no xdg-open here", "install xdg-utils, or open the path with a viewer of yours")
    for path in paths:
        _open(opener, path)


def _open(opener: str, path: str) -> None:
    command = [opener, "open"] if opener.endswith("gio") else [opener]
    try:
        # The viewer outlives this process, and its output is not part of the answer.
        subprocess.Popen(  # noqa: S603 - the desktop's own opener, and a path that begins with a slash
            [*command, path.encode("utf-8", "surrogateescape")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as problem:
        raise PhsearchError(f"cannot open {path} with {opener}: {problem.strerror}", "choose another viewer") from None
