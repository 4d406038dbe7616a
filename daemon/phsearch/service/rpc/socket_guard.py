"""Keeps the daemon reachable: a socket whose name is gone is made anew.

The runtime directory goes at the last logout, and with it the name of a socket in it. Cleaners of temporary folders and
`rm` do the same. The process would go on with no way to reach it. Without a runtime directory the socket is in the
state folder, until the directory is there again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol, Self

from phsearch.errors import PhsearchError
from phsearch.service.rpc.listener import NamedSocket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phsearch.service.rpc.server import Server

log = logging.getLogger("phsearch.server")

_SETTLE_SECONDS = 0.5
_RETRY_SECONDS = 10.0
_LOOK_SECONDS = 30.0
"""Between two looks where the system grants no more watches."""


class FolderChanges(Protocol):
    """Tells when names in a folder come or go, or the folder itself goes. A context manager that ends the watch."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End the watch."""

    def fileno(self) -> int:
        """Return the descriptor that is readable after a change."""

    def drain(self) -> None:
        """Forget the changes so far."""


class SocketGuard:
    """Watches the name of the socket, and binds another one when it is gone."""

    def __init__(
        self,
        *,
        usual: Path,
        fallback: Path,
        bound: NamedSocket,
        server: Server,
        watch: Callable[[str], FolderChanges],
        announce: Callable[[str], None],
    ) -> None:
        """`announce` is told where the daemon listens, at once and after each change."""
        self._usual = usual
        self._fallback = fallback
        self._server = server
        self._watch = watch
        self._announce = announce
        self.bound = bound
        announce(str(bound.path))

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._wait_until_gone()
            # systemd, which is told to listen here from now on, removes the name just before it takes it.
            await asyncio.sleep(_SETTLE_SECONDS)
            if not self._bind_anew():
                await asyncio.sleep(_RETRY_SECONDS)

    async def _wait_until_gone(self) -> None:
        """Return when the name is gone, or when it is time to try the usual place again."""
        displaced = self.bound.path != self._usual
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            seconds: float | None = _RETRY_SECONDS if displaced else None
            try:
                changes = stack.enter_context(self._watch(str(self.bound.path.parent)))
            except OSError:
                seconds = min(seconds or _LOOK_SECONDS, _LOOK_SECONDS)
            else:
                loop.add_reader(changes.fileno(), _on_change, changes, changed)
                stack.callback(loop.remove_reader, changes.fileno())
            while self.bound.has_name():
                changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await changed.wait()
                if displaced and self._is_there_again():
                    return

    def _is_there_again(self) -> bool:
        """Whether the runtime directory exists, in which our own folder may be missing."""
        return self._usual.parent.parent.is_dir()

    def _bind_anew(self) -> bool:
        """Listen at the usual place, or else at the other one. Return whether the daemon can be reached."""
        for path in (self._usual, self._fallback):
            if path == self.bound.path and self.bound.has_name():
                return True
            if path == self._usual and not self._is_there_again():
                continue
            try:
                bound = NamedSocket.bind(path)
            except PhsearchError as error:
                log.debug("%s", error)
                continue
            log.warning("listening on %s, since %s was removed", path, self.bound.path)
            self._server.replace_listener(bound.listener)
            self.bound.close()
            self.bound = bound
            self._announce(str(path))
            return True
        return False


def _on_change(changes: FolderChanges, changed: asyncio.Event) -> None:
    changes.drain()
    changed.set()
