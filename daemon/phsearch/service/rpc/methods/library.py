"""Work on the library: compare it with the disk, retry, forget, verify, list duplicates, show thumbnails."""

from __future__ import annotations

import base64
import math
import time
from typing import TYPE_CHECKING

from phsearch.domain.roots.roots import dir_prefix
from phsearch.errors import StoreError
from phsearch.wire.framing import fit_to_line
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.results.daemon import PaceChange
from phsearch.wire.results.library import (
    ConfirmedDeletions,
    DuplicateGroup,
    DuplicatePhoto,
    Duplicates,
    Mismatch,
    StartedRetries,
    StartedScans,
    Thumbnail,
    Verification,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.types import Photo
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.search import duplicates
    from phsearch.service.search.duplicates import DuplicateFinder, DuplicateKind
    from phsearch.service.search.thumbnails import Thumbnails
    from phsearch.service.throttle import IndexingThrottle
    from phsearch.service.verify import Verifier

_MISMATCHES = 1000
"""How many of them `library.verify` names."""


class DuplicateMethods:
    """`library.dupes`."""

    def __init__(self, finder: DuplicateFinder, roots: Roots) -> None:
        self._finder = finder
        self._roots = roots

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"library.dupes": self._find}

    async def _find(self, *, kind: DuplicateKind, path: str | None, limit: int, offset: int) -> Duplicates:
        self._check(path)
        groups = await self._finder.find_duplicates(kind, path)
        return Duplicates(groups=fit_to_line(map(_group, groups[offset : offset + limit])), total=len(groups))

    def _check(self, path: str | None) -> None:
        if path is None or self._roots.root_of(path) is not None:
            return
        # A folder above a root holds photos, too.
        if not any(root.startswith(dir_prefix(path)) for root in self._roots):
            hint = f"watched: {', '.join(self._roots)}"
            raise RpcError("OutsideLibrary", f"{path} lies in no watched folder", hint)


def _group(group: duplicates.DuplicateGroup) -> DuplicateGroup:
    # One group alone may be too long for a line: a thousand copies of one photo.
    photos = fit_to_line(_photos(group), spare=1024)
    return DuplicateGroup(kind="exact" if group.exact else "near", photos=photos, more=len(group.photos) - len(photos))


def _photos(group: duplicates.DuplicateGroup) -> Iterator[DuplicatePhoto]:
    seen: set[bytes] = set()
    for photo in group.photos:
        yield _photo(photo, copy=photo.digest in seen)
        seen.add(photo.digest)


def _photo(photo: Photo, *, copy: bool) -> DuplicatePhoto:
    return DuplicatePhoto(
        path=photo.path,
        size=photo.fingerprint.size,
        width=photo.info.width,
        height=photo.info.height,
        format=photo.info.format,
        taken_at=photo.taken_at,
        copy=copy,
    )


class ThumbnailMethods:
    """`library.thumbnail`."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {"library.thumbnail": self._thumbnail}

    async def _thumbnail(self, *, path: str, width: int, height: int, format: str) -> Thumbnail:  # noqa: A002 - as on the wire
        made = await self._thumbnails.get(path, width, height, format)
        data = base64.b64encode(made.data).decode()
        return Thumbnail(path=path, width=made.width, height=made.height, format=format, data=data)


class LibraryMethods:
    """`library.rescan`, `library.retry`, `library.confirm_deletions`, `library.verify`, `library.pause`, `.resume`."""

    def __init__(
        self,
        *,
        library: Library,
        roots: Roots,
        monitors: Mapping[str, RootMonitor],
        router: PipelineRouter,
        verifier: Verifier,
        throttle: IndexingThrottle,
    ) -> None:
        self._library = library
        self._roots = roots
        self._monitors = monitors
        self._router = router
        self._verifier = verifier
        self._throttle = throttle

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {
            "library.rescan": self._rescan,
            "library.confirm_deletions": self._confirm_deletions,
            "library.retry": self._retry,
            "library.verify": self._verify,
            "library.pause": self._pause,
            "library.resume": self._resume,
        }

    async def _rescan(self, *, path: str | None) -> StartedScans:
        if path is not None:
            root = self._root_of(path)
            if (pipeline := self._router.pipeline_of(path)) is not None:
                pipeline.check_now(path)
            self._monitors[root].scan(path)
            return StartedScans(roots=(root,))
        for root, monitor in self._monitors.items():
            monitor.scan(root)
        return StartedScans(roots=tuple(self._monitors))

    async def _confirm_deletions(self, *, root: str) -> ConfirmedDeletions:
        watched = self._root_of(root)
        if watched != root:
            hint = f"{root} lies in {watched}: name that to forget what is missing there"
            raise RpcError("OutsideLibrary", f"{root} is no watched folder", hint)
        return ConfirmedDeletions(root=root, missing=self._monitors[root].confirm_deletions())

    def _root_of(self, path: str) -> str:
        root = self._roots.root_of(path)
        if root is None:
            hint = f"watched: {', '.join(self._roots)}"
            raise RpcError("OutsideLibrary", f"{path} lies in no watched folder", hint)
        return root

    async def _retry(self, *, path: str | None) -> StartedRetries:
        prefix = None if path is None else dir_prefix(path)
        # A folder above a root holds failures, too.
        if path is not None and prefix is not None and not any(root.startswith(prefix) for root in self._roots):
            self._root_of(path)
        failed = [failure.path for failure in self._library.failures()]
        chosen = [each for each in failed if prefix is None or each == path or each.startswith(prefix)]
        for each in chosen:
            if (pipeline := self._router.pipeline_of(each)) is not None:
                pipeline.retry_path(each)
        return StartedRetries(retried=len(chosen), held=self._throttle.pause_reason)

    async def _pause(self, *, seconds: float | None) -> PaceChange:
        kept = await self._throttle.pause(seconds)
        return PaceChange(pace=self._throttle.report(), kept=kept)

    async def _resume(self, *, force: bool) -> PaceChange:
        kept = await self._throttle.resume(force=force)
        return PaceChange(pace=self._throttle.report(), kept=kept)

    async def _verify(self, *, sample: int) -> Verification:
        start = time.perf_counter()
        try:
            report = await self._verifier.verify(sample)
        except StoreError as error:
            # Not "NotReady": a client would ask again and again, and each time it would take minutes.
            raise RpcError("InternalError", str(error), error.hint) from error
        cosine = report.lowest_cosine
        mismatches = (
            Mismatch(path=each.path, kind=each.kind, detail=each.detail) for each in report.mismatches[:_MISMATCHES]
        )
        return Verification(
            ok=not report.mismatches,
            rows=report.rows,
            checked=report.checked,
            sampled=report.sampled,
            not_checked=report.not_checked,
            held=report.held,
            lowest_cosine=None if cosine is None or math.isnan(cosine) else round(cosine, 4),
            mismatched=len(report.mismatches),
            mismatches=fit_to_line(mismatches),
            took_ms=round((time.perf_counter() - start) * 1000, 2),
        )
