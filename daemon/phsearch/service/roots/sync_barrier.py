"""Waits until the index has caught up with the disk, for searches that must not miss what was just copied.

Between a file that was closed and a search that finds it, there may be three delays. They are waited for in this order:

* The watcher has not reported the file yet. It is asked to put a mark into its events, which come in order. The idea is
  watchman's (https://facebook.github.io/watchman/docs/cookies). Where that cannot be done, all roots are scanned.
* A scan has not reached the file yet. Roots where the watcher may miss changes are scanned for this purpose.
* The file is pending: it settles, is read or embedded. All paths pending then must have left the pipeline once.

The first two are one round, shared by all callers that come while an earlier round is running. A round that began
before the call may have missed the file; the next one cannot.
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
_POLL_SECONDS = 0.02
_PAUSED_SECONDS = 1.0
"""Time for work that was under way when the pause began."""


class SyncBarrier:
    """Knows when everything that happened before a call has been dealt with."""

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
        self._marking = TimeoutExecutor("mark", _MARK_SECONDS, max_concurrent=1)
        self._tokens = itertools.count(1)
        self._marks: dict[int, asyncio.Event] = {}
        self._running: asyncio.Task[_PendingPaths] | None = None
        self._next: asyncio.Task[_PendingPaths] | None = None

    async def wait_for_sync(self, seconds: float) -> bool:
        """Wait until every file closed before now is findable or known not to be.

        Return False after `seconds`, and in a pause as soon as it is clear that a file waits for its end.
        """
        try:
            async with asyncio.timeout(seconds):
                pending = await asyncio.shield(self._coming_round())
                paused = 0.0
                # Polled, because a file leaves the pipeline in many ways, and asking is cheap.
                while not pending.done(self._router):
                    held_up = self._throttle.pause_reason and pending.queued(self._router)
                    paused = paused + _POLL_SECONDS if held_up else 0.0
                    if paused > _PAUSED_SECONDS:
                        return False
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False
        return True

    def on_mark(self, token: int) -> None:
        """Note that the watcher has reported everything before a mark."""
        if (reached := self._marks.get(token)) is not None:
            reached.set()

    def _coming_round(self) -> asyncio.Task[_PendingPaths]:
        if self._next is None:
            self._next = asyncio.create_task(self._round(self._running), name="barrier")
        return self._next

    async def _round(self, before: asyncio.Task[_PendingPaths] | None) -> _PendingPaths:
        if before is not None:
            await asyncio.wait((before,))
        self._running, self._next = self._next, None  # a call from here on needs the next round
        delivered = await self._events_delivered()
        passes = {monitor: monitor.passes for monitor in self._monitors.values()}
        for monitor in passes:
            monitor.rescan_if_stale(everything=not delivered)
        # The monitors of now: a root may be added meanwhile, or start again with other settings.
        while any(monitor.busy and monitor.passes == passes.get(monitor, 0) for monitor in self._monitors.values()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(_POLL_SECONDS)
        return _PendingPaths(self._router.pending_paths())

    async def _events_delivered(self) -> bool:
        """Wait until the watcher has reported what happened before now; return False where it cannot say."""
        token = next(self._tokens)
        reached = self._marks[token] = asyncio.Event()
        try:
            if not await self._marking.run(lambda _tick: self._watcher.send_mark(token)):
                return False
            async with asyncio.timeout(_MARK_SECONDS):
                await reached.wait()
        except TimeoutError:
            log.warning("the watcher does not answer; scanning instead")
            return False
        finally:
            del self._marks[token]
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
