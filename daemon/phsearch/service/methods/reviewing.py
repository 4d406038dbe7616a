"""Duplicates, for review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.domain.roots import below
from phsearch.service.methods.fitting import fitting
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.domain.roots import Roots
    from phsearch.domain.types import Photo
    from phsearch.service.api import Calls
    from phsearch.service.dupes import Dupes, Group


class Reviewing:
    """`library.dupes`."""

    def __init__(self, dupes: Dupes, roots: Roots) -> None:
        self._dupes = dupes
        self._roots = roots

    @property
    def calls(self) -> Calls:
        """The methods by name."""
        return {"library.dupes": self._find}

    async def _find(self, params: dict[str, Any]) -> dict[str, Any]:
        self._check(params["path"])
        groups = await self._dupes.find(params["kind"], params["path"])
        page = groups[params["offset"] : params["offset"] + params["limit"]]
        return {"groups": fitting(map(_group, page)), "total": len(groups)}

    def _check(self, path: str | None) -> None:
        if path is None or self._roots.of(path) is not None:
            return
        if not any(root.startswith(below(path)) for root in self._roots):  # a folder above a root holds photos, too
            hint = f"watched: {', '.join(self._roots)}"
            raise RpcError("OutsideLibrary", f"{path} lies in no watched folder", hint)


def _group(group: Group) -> dict[str, Any]:
    kind = "exact" if group.exact else "near"
    # One group alone may be too much for a line: a thousand copies of one photo.
    photos = fitting(_photos(group), spare=1024)
    return {"kind": kind, "photos": photos, "more": len(group.photos) - len(photos)}


def _photos(group: Group) -> Iterator[dict[str, Any]]:
    seen: set[bytes] = set()
    for photo in group.photos:
        yield _photo(photo, copy=photo.digest in seen)
        seen.add(photo.digest)


def _photo(photo: Photo, *, copy: bool) -> dict[str, Any]:
    info = photo.info
    size = {"size": photo.fingerprint.size, "width": info.width, "height": info.height}
    return {"path": photo.path, **size, "format": info.format, "taken_at": info.taken_at, "copy": copy}
