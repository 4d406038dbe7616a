"""Albums: stored queries, some with a folder of links to their hits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.errors import AlbumError
from phsearch.text import drives_terminal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MAX_HITS = 1000
"""The most photos of an album."""

_MAX_NAME_BYTES = 100
_MAX_LINK_BYTES = 255
"""The longest file name that every common file system on Linux allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """A stored query. `band` is the lowest band of its hits, "" for any; `folder`: whether it has a folder of links."""

    name: str
    query: str
    limit: int = 1000
    band: str = "weak"
    folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumChanges:
    """The changes in a folder of links: names to remove, then (name, target) to add."""

    removed: tuple[str, ...]
    added: tuple[tuple[str, str], ...]


def check_name(name: str) -> None:
    """Raise AlbumError for a name that no folder can have everywhere."""
    if not name or _bytes(name) > _MAX_NAME_BYTES:
        raise AlbumError(f"an album's name has 1 to {_MAX_NAME_BYTES} bytes", "choose a shorter one")
    if name.startswith(".") or "/" in name or drives_terminal(name) or name != name.strip():
        raise AlbumError(
            f'"{name}" cannot be the name of an album',
            'leave out "/", a dot in front, blanks around it and control characters',
        )


def links(paths: Sequence[str], current: Mapping[str, str], foreign: Collection[str] = ()) -> dict[str, str]:
    """Return the links, name -> target, for `paths`. Links of ours that exist (`current`) keep their names.

    A link has the name of its photo. It gets a number if another link or a foreign file has that name.
    """
    targets = dict.fromkeys(paths)
    # This leaves one link for each photo, even if there are more.
    name_of = {target: name for name, target in current.items() if target in targets}
    result = {name: target for target, name in name_of.items()}
    for path in targets:
        if path not in name_of:
            result[_free_name(path.rpartition("/")[2], {*result, *foreign})] = path
    return result


def changes(new: Mapping[str, str], current: Mapping[str, str]) -> AlbumChanges:
    """Return the changes that turn the `current` links into the `new` ones."""
    return AlbumChanges(
        removed=tuple(name for name, target in current.items() if new.get(name) != target),
        added=tuple((name, target) for name, target in new.items() if current.get(name) != target),
    )


def _free_name(name: str, taken: Collection[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    number, free = 2, name
    while free in taken:
        end = f" ({number}){dot}{suffix}"
        free = _cut(stem, _MAX_LINK_BYTES - _bytes(end)) + end
        number += 1
    return free


def _cut(text: str, max_bytes: int) -> str:
    while _bytes(text) > max_bytes:
        text = text[:-1]
    return text


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
