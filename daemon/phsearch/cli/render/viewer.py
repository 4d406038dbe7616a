"""Open hits in the desktop's viewer."""

from __future__ import annotations

import os
import shutil
import subprocess

from phsearch.cli import exit_status

_OPENERS = ("xdg-open", "gio", "open")


def open_photo(path: str) -> None:
    """Open a photo, or print why it cannot be opened."""
    opener = next(filter(None, map(shutil.which, _OPENERS)), None)
    if opener is None:
        exit_status.print_error("there is no xdg-open here: install xdg-utils, or open the path with a viewer of yours")
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and opener.endswith("xdg-open"):
        exit_status.print_error("there is no desktop to open a photo on (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        return
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
        exit_status.print_error(f"cannot open {path}: {problem.strerror}")
