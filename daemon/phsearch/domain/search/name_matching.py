"""Which folders, roots and cameras a name in a query means.

Owners write what they see, so neither case nor the form of accented letters counts, and a part of a folder's path is
enough: `Holidays/2023` means the photos below any folder Holidays/2023, however deep. The path above a root does not
count, or `in:home` would mean everything.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from phsearch.domain.gitignore import below_folder
from phsearch.paths import expand_typed
from phsearch.text import fold_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.roots.roots import Roots

_GLOB = frozenset("*?[")
_WORD = re.compile(r"[^\W_]+")


def folder_matcher(pattern: str, roots: Roots, home: str, *, literal: bool = False) -> Callable[[str], bool]:
    """Return a test of a folder's whole path: whether the pattern means it or a folder above it.

    The pattern is a part of a path, a whole path, or a glob. "~" is `home`. A folder that is called like a glob is
    meant by it, too; where `literal`, nothing else is.
    """
    pattern = expand_typed(pattern, home)
    by_name = _whole_path(pattern, roots) if pattern.startswith("/") else _part_of_path(pattern, roots)
    if literal or not _GLOB & set(pattern):
        return by_name
    anchored = pattern.startswith("/")
    matches = below_folder(pattern.strip("/"), anchored=anchored)
    return lambda folder: (
        by_name(folder)
        or matches(_path_from_root(folder, roots))
        or (anchored and matches(fold_name(folder).lstrip("/")))
    )


def root_matcher(name: str, roots: Roots, home: str) -> Callable[[str], bool]:
    """Return a test of a folder's whole path: whether `name` means its root, by its path or by the last part of it."""
    asked = fold_name(expand_typed(roots.library_name(name), home)).rstrip("/")
    meant = {root for root in roots if asked in (fold_name(root), fold_name(root.rpartition("/")[2]))}
    return lambda folder: roots.root_of(folder) in meant


def is_camera(camera: str, words: str) -> bool:
    """Whether all words are in a camera's name, one after the other; of the last word its beginning is enough.

    "pixel 8" is a Google Pixel 8 and a Pixel 8 Pro, but no Pixel 80.
    """
    name, asked = _WORD.findall(fold_name(camera)), _WORD.findall(fold_name(words))
    if not asked:
        return fold_name(words).strip() == fold_name(camera)
    for start in range(len(name) - len(asked) + 1):
        *first, last = name[start : start + len(asked)]
        if first == asked[:-1] and _begins(last, asked[-1]):
            return True
    return False


def _begins(word: str, beginning: str) -> bool:
    # The beginning of a number is another number.
    return word == beginning or (
        word.startswith(beginning) and not (beginning[-1].isdigit() and word[len(beginning)].isdigit())
    )


def _whole_path(path: str, roots: Roots) -> Callable[[str], bool]:
    whole = fold_name(roots.library_name(posixpath.normpath(path))).rstrip("/")
    return lambda folder: fold_name(folder) == whole or fold_name(folder).startswith(f"{whole}/")


def _part_of_path(part: str, roots: Roots) -> Callable[[str], bool]:
    inside = f"/{fold_name(part).strip('/')}/"
    return lambda folder: inside in f"/{_path_from_root(folder, roots)}/"


def _path_from_root(folder: str, roots: Roots) -> str:
    """Return a folder's path, beginning with the name of its root."""
    root = roots.root_of(folder)
    if root is None:
        return fold_name(folder).lstrip("/")
    return fold_name(folder[len(root.rpartition("/")[0]) :]).lstrip("/")
