"""`--follow`: new matches as photos arrive.

An event is only the bell: what is printed is what a search finds that was indexed since. So nothing is lost when events
are, or when the daemon is started anew meanwhile.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from phsearch.cli import exits
from phsearch.cli.find import pointing
from phsearch.cli.hits import TABLE, shown
from phsearch.cli.terminal import Screen
from phsearch.client import Client
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.cli.find import Form

_QUIET, _LONGEST = 0.2, 1.0
"""Seconds without an event, or after the first one, until it is worth a search."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_MOST = 1000
_BELLS = frozenset({"indexed", "reused", "moved", "dropped", "root"})


def follow(client: Client, params: Mapping[str, Any], form: Form = TABLE, command: str | None = None) -> int:
    """Print new hits until somebody ends it; run `command` for each, if there is one."""
    following = _Following(client, params, form, command)
    pause, begun, told = _FIRST_PAUSE, False, False
    while True:
        try:
            # Anew each time: what a broken connection still holds is of no use.
            with Client(client.path, client.timeout) as bells, pointing(params["query"]):
                bells.call("events.subscribe")
                begun = True
                following.look()
                pause, told = _FIRST_PAUSE, False
                following.listen(bells)
        except (DaemonUnreachableError, AnswerTimeoutError, RemoteError) as problem:
            if not begun or (isinstance(problem, RemoteError) and not problem.retryable):
                raise
            if not told:
                exits.complain(f"{problem}; waiting for it to come back")
                told = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class _Following:
    """What has been printed so far."""

    def __init__(self, client: Client, params: Mapping[str, Any], form: Form, command: str | None) -> None:
        self._client = client
        self._params = {**params, "limit": _MOST, "collapse": False}
        self._form = form
        self._command = shlex.split(command) if command else []
        self._since = time.time()
        self._seen: dict[str, float] = {}

    def listen(self, bells: Client) -> None:
        """Search whenever the bell has rung; raises DaemonUnreachableError when the daemon goes."""
        first: float | None = None
        while True:
            event = bells.next_event(None if first is None else _QUIET)
            now = time.monotonic()
            if event is not None and event.get("type") in _BELLS and first is None:
                first = now
            if first is not None and (event is None or now - first >= _LONGEST):
                self.look()
                first = None

    def look(self) -> None:
        """Print what is new."""
        with self._client as asked:
            hits = asked.call("search", **self._params | {"indexed_after": self._since})["hits"]
        if len(hits) >= _MOST:
            exits.complain(f"more than {_MOST:,} new matches at once: these are the best of them")
        for hit in sorted(hits, key=lambda hit: (hit["indexed_at"], hit["path"])):
            if not self._known(hit):
                self._print(hit)
            self._seen[hit["path"]] = hit["indexed_at"]
        if hits:
            # A little before the newest: what was indexed just before it may be searchable only now. What has been
            # printed of that time is remembered.
            self._since = max(self._since, max(hit["indexed_at"] for hit in hits) - _QUIET)
            self._seen = {path: at for path, at in self._seen.items() if at >= self._since}

    def _known(self, hit: dict[str, Any]) -> bool:
        """Tell whether a photo was printed, be it under a name that it has no longer."""
        same = [path for path, at in self._seen.items() if at == hit["indexed_at"]]
        return hit["path"] in same or any(not os.path.lexists(path) for path in same)

    def _print(self, hit: dict[str, Any]) -> None:
        screen = Screen.of(sys.stdout, os.environ)
        screen.write(shown([hit], self._form, screen))
        if self._command:
            _run(self._command, hit["path"])


def _run(command: list[str], path: str) -> None:
    """Run a command with the path as one argument; what becomes of it ends nothing."""
    words = [word.replace("{}", path) for word in command]
    if words == command:
        words.append(path)
    try:
        done = subprocess.run(  # noqa: S603 - the owner's own command, without a shell
            [word.encode("utf-8", "surrogateescape") for word in words], stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, ValueError) as problem:
        exits.complain(f"cannot run {command[0]}: {getattr(problem, 'strerror', None) or problem}")
        return
    if done.returncode:
        exits.complain(f"{command[0]} ended with status {done.returncode} for {path}")
