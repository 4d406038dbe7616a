"""Waiting until the index has caught up with the disk, for searches that must not miss what was just copied.

Three things can stand between a file that was closed and a search that finds it, and they are waited for in this order:

* The watcher has not told of it yet. It is asked to mark this moment among its events, which come in order; the idea
  is watchman's (https://facebook.github.io/watchman/docs/cookies). Where that cannot be done, all roots are scanned.
* A scan that was asked for has not come to it yet; roots whose changes may go untold are scanned for the occasion.
* It is on its way: it settles, is read or embedded. Whatever is on its way then must have left the pipeline once.

The first two are one `round`, shared by all who ask while an earlier round is still running: a round that began before
the question may have missed the file, the next one cannot.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from phsearch.service.threads import TimeoutExecutor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.ports import Watcher
    from phsearch.service.indexing.router import PipelineRouter
    from phsearch.service.roots.monitor import RootMonitor
    from phsearch.service.throttle import IndexingThrottle

log = logging.getLogger("phsearch.watch")

_MARK_SECONDS = 5.0
_PAUSE = 0.02
_HELD_SECONDS = 1.0
"""Time for what was under way when the pause began."""


class SyncBarrier:
    """Knows when everything that happened before a question has been dealt with."""

    def __init__(
        self,
        *,
        watcher: Watcher,
        monitors: Mapping[str, RootMonitor],
        router: PipelineRouter,
        throttle: IndexingThrottle,
    ) -> None:
        self._watcher = watcher
        self._monitors = monitors
        self._router = router
        self._throttle = throttle
        self._lock = TimeoutExecutor("mark", _MARK_SECONDS, 1)
        self._tokens = itertools.count(1)
        self._met: dict[int, asyncio.Event] = {}
        self._running: asyncio.Task[_PendingPaths] | None = None
        self._next: asyncio.Task[_PendingPaths] | None = None

    async def wait_for_sync(self, seconds: float) -> bool:
        """Wait until every file closed before now is findable or known not to be.

        False after `seconds`, and in a pause as soon as it is clear that something is held up.
        """
        try:
            async with asyncio.timeout(seconds):
                leaving = await asyncio.shield(self._coming_round())
                held = 0.0
                # A photo leaves in many ways; asking is cheap.
                while not leaving.done(self._router):
                    held = held + _PAUSE if self._throttle.pause_reason and leaving.queued(self._router) else 0.0
                    if held > _HELD_SECONDS:
                        return False
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            return False
        return True

    def on_mark(self, token: int) -> None:
        """Take the watcher's word that all before the mark has been told."""
        met = self._met.get(token)
        if met is not None:
            met.set()

    def _coming_round(self) -> asyncio.Task[_PendingPaths]:
        if self._next is None:
            self._next = asyncio.create_task(self._round(self._running), name="barrier")
        return self._next

    async def _round(self, before: asyncio.Task[_PendingPaths] | None) -> _PendingPaths:
        if before is not None:
            await asyncio.wait((before,))
        self._running, self._next = self._next, None  # who asks from here on is too late for this one
        told = await self._events_delivered()
        passes = {monitor: monitor.passes for monitor in self._monitors.values()}
        for monitor in passes:
            monitor.rescan_if_stale(everything=not told)
        # Those that are there now: a root may be added meanwhile, or begin anew with other settings.
        while any(monitor.busy and monitor.passes == passes.get(monitor, 0) for monitor in self._monitors.values()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(_PAUSE)
        return _PendingPaths(self._router.pending_paths())

    async def _events_delivered(self) -> bool:
        """Wait until the watcher has told what happened before now; False where it cannot say."""
        token = next(self._tokens)
        met = self._met[token] = asyncio.Event()
        try:
            if not await self._lock.run(lambda _tick: self._watcher.send_mark(token)):
                return False
            async with asyncio.timeout(_MARK_SECONDS):
                await met.wait()
        except TimeoutError:
            log.warning("the watcher does not answer; scanning instead")
            return False
        finally:
            del self._met[token]
        return True


class _PendingPaths:
    """Paths that have to leave the pipeline, each once."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths

    def done(self, router: PipelineRouter) -> bool:
        """Whether all have left. This is cheap to ask often: one path that is still there answers for all."""
        while self._paths and _stage_of(self._paths[-1], router) is None:
            self._paths.pop()
        return not self._paths

    def queued(self, router: PipelineRouter) -> bool:
        """Whether the next path that has to leave has settled, and waits to be read or embedded."""
        return bool(self._paths) and _stage_of(self._paths[-1], router) in {"queued", "being indexed"}


def _stage_of(path: str, router: PipelineRouter) -> str | None:
    # The root's pipeline may have been replaced since the path was collected.
    pipeline = router.pipeline_of(path)
    return pipeline.stage_of(path) if pipeline is not None else None
