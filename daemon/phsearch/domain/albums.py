"""Albums: queries that are kept, each perhaps as a folder of links to the photos it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.errors import AlbumError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_LONGEST = 100
_NAME_BYTES = 255
"""What a name may have on every file system in use on Linux."""


@dataclass(frozen=True, slots=True)
class Album:
    """One kept query; `band` is the lowest that counts, "" for all, and `folder` whether links are kept."""

    name: str
    query: str
    limit: int = 1000
    band: str = "weak"
    folder: bool = False


@dataclass(frozen=True, slots=True)
class AlbumChanges:
    """What to do in a folder of links: names to remove, then (name, target) to make."""

    gone: tuple[str, ...]
    new: tuple[tuple[str, str], ...]


def check_name(name: str) -> None:
    """Refuse what cannot be a folder's name everywhere. Raises AlbumError."""
    if not name or _bytes(name) > _LONGEST:
        raise AlbumError(f"an album's name has 1 to {_LONGEST} bytes", "choose a shorter one")
    if name.startswith(".") or "/" in name or not name.isprintable() or name != name.strip():
        raise AlbumError(
            f'"{name}" cannot be the name of an album',
            'leave out "/", a dot in front, blanks around it and control characters',
        )


def links(paths: Sequence[str], there: Mapping[str, str], foreign: Collection[str] = ()) -> dict[str, str]:
    """Give the links, name -> target, for `paths`; those of ours that are `there` already keep their names.

    A link has its photo's name, and a number where another photo has that, or something that is none of ours
    (`foreign`).
    """
    wanted = dict.fromkeys(paths)
    kept = {name: target for name, target in there.items() if target in wanted}
    # One link a photo, should there be more.
    named = {target: name for name, target in kept.items()}
    found = {name: target for target, name in named.items()}
    for path in wanted:
        if path not in named:
            found[_free(path.rpartition("/")[2], {*found, *foreign})] = path
    return found


def changes(wanted: Mapping[str, str], there: Mapping[str, str]) -> AlbumChanges:
    """Give what makes the links that are `there` the `wanted` ones."""
    gone = tuple(name for name, target in there.items() if wanted.get(name) != target)
    return AlbumChanges(gone, tuple((name, target) for name, target in wanted.items() if there.get(name) != target))


def _free(name: str, taken: Collection[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    number, free = 2, name
    while free in taken:
        end = f" ({number}){dot}{suffix}"
        free = _shortened(stem, _NAME_BYTES - _bytes(end)) + end
        number += 1
    return free


def _shortened(text: str, most: int) -> str:
    while _bytes(text) > most:
        text = text[:-1]
    return text


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
