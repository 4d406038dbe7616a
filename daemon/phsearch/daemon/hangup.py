"""SIGHUP from the first moment to the last: it asks for a reload, and never ends the daemon by default."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class HangupSignal:
    """Takes SIGHUP from when it is made. One that comes before `connect` is remembered until then."""

    def __init__(self) -> None:
        self._received = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], None]
        self._reload: Callable[[], None]
        self._at_terminal = sys.stderr.isatty()
        signal.signal(signal.SIGHUP, self._on_signal)

    def connect(self, loop: asyncio.AbstractEventLoop, *, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        """Call `reload` on the loop from now on, or `stop` where the terminal we were started from was closed."""
        self._stop, self._reload, self._loop = stop, reload, loop
        if self._received:
            self._act()

    def ignore(self) -> None:
        """Ignore it from now on: the interpreter would bring back the default before it ends."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_signal(self, _number: int, _frame: Any) -> None:
        self._received = True
        # Not by the loop's own handler: that is removed with the loop, and the default would end what is left to do.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._act)

    def _act(self) -> None:
        if self._at_terminal and not sys.stderr.isatty():
            self._stop()
        else:
            self._reload()
