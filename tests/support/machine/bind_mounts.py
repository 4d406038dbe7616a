"""Bind mounts in the namespace of the test. That needs root; otherwise `why_not` returns the reason."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def bound(folder: Path, at: Path) -> Iterator[Path]:
    """Show a folder at another one, too, until the end of the block. Raises CalledProcessError."""
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", folder, at], check=True, capture_output=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


@cache
def why_not() -> str:
    """Return why nothing can be mounted here, or "" if it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with bound(Path(folder), Path(folder, "inside")):
                return ""
        except (OSError, subprocess.CalledProcessError) as error:
            return f"cannot bind a folder: {error}"
