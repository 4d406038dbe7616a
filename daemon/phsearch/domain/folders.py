"""What `in:` means: a folder by a part of its path, by the whole of it, or by a glob.

Owners write what they see, so neither case nor the form of accented letters counts, and a part of a path is enough:
`Holidays/2023` are the photos below any folder Holidays/2023, however deep. What lies above a root counts for nothing,
or `in:home` would be everything.
"""

from __future__ import annotations

import posixpath
import unicodedata
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Callable

_GLOB = frozenset("*?[")


def matcher(pattern: str, root_of: Callable[[str], str | None], home: str) -> Callable[[str], bool]:
    """Give what tells of a folder, a whole path, whether it or one above it is meant.

    `root_of` gives a folder's root; `home` stands for "~".
    """
    if pattern.startswith(("/", "~")) and not _GLOB & set(pattern):
        expanded = home + pattern[1:] if pattern == "~" or pattern.startswith("~/") else pattern
        whole = folded(posixpath.normpath(expanded)).rstrip("/")
        return lambda folder: folded(folder) == whole or folded(folder).startswith(f"{whole}/")
    wanted = folded(pattern).strip("/")
    if _GLOB & set(pattern):
        spec = GitIgnoreSpec.from_lines([f"/{wanted}/" if pattern.startswith("/") else f"**/{wanted}/"])
        # A pattern for folders wants a slash at the end of what it is compared with.
        return lambda folder: spec.match_file(f"{_named(folder, root_of)}/")
    inside = f"/{wanted}/"
    return lambda folder: inside in f"/{_named(folder, root_of)}/"


def folded(text: str) -> str:
    """Give a name as it is compared."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _named(folder: str, root_of: Callable[[str], str | None]) -> str:
    """Give a folder's path from the name of its root on."""
    root = root_of(folder)
    if root is None:
        return folded(folder).lstrip("/")
    return folded(folder[len(root.rpartition("/")[0]) :]).lstrip("/")
