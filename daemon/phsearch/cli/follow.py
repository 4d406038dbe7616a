"""`--follow`: new matches as photos arrive.

An event is only the bell: what is printed is what a search finds that was indexed since. So nothing is lost when events
are, or when the daemon is started anew meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from phsearch.cli import exit_status
from phsearch.cli.render.hits import TABLE, hit_printer
from phsearch.cli.search_request import show_position
from phsearch.cli.terminal import Console
from phsearch.client import Client
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phsearch.cli.search_request import Form

    Stamp = tuple[int, int, int, int]
    """Device, inode, size and time of change of a file."""

_QUIET, _LONGEST = 0.2, 1.0
"""Seconds without an event, or after the first one, until it is worth a search."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_MOST = 1000
_REMEMBERED = 10_000
"""Photos that were printed: a daemon that ended before it had written them indexes the last of them anew."""
_BELLS = frozenset({"indexed", "reused", "moved", "dropped", "root"})


def follow(client: Client, params: Mapping[str, Any], form: Form = TABLE, command: Sequence[str] | None = None) -> int:
    """Print new hits until somebody ends it; run `command` for each, if there is one.

    Raises what is wrong at the beginning. What goes wrong later is told once, and tried again until it works.
    """
    following = _Follower(client, params, form, command or ())
    pause, begun, told = _FIRST_PAUSE, False, False
    while True:
        try:
            # Anew each time: what a broken connection still holds is of no use.
            with Client(client.path, client.timeout) as bells, show_position(params["query"]):
                bells.call("events.subscribe")
                following.check_new()
                pause, begun, told = _FIRST_PAUSE, True, False
                following.listen(bells)
        except (DaemonUnreachableError, AnswerTimeoutError, RemoteError) as problem:
            if not begun or (isinstance(problem, RemoteError) and problem.kind == "Protocol"):
                raise
            if not told:
                refused = isinstance(problem, RemoteError) and not problem.retryable
                exit_status.print_error(f"{problem}; {'trying again' if refused else 'waiting for it to come back'}")
                told = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class _Follower:
    """What has been printed so far."""

    def __init__(self, client: Client, params: Mapping[str, Any], form: Form, command: Sequence[str]) -> None:
        self._client = client
        self._params = {**params, "limit": _MOST, "collapse": False}
        self._form = form
        self._command = list(command)
        self._since = time.time()
        self._seen: dict[str, float] = {}
        self._printed: dict[Stamp, str] = {}

    def listen(self, bells: Client) -> None:
        """Search whenever the bell has rung; raises DaemonUnreachableError when the daemon goes."""
        first: float | None = None
        while True:
            event = bells.next_event(None if first is None else _QUIET)
            now = time.monotonic()
            if event is not None and event.get("type") in _BELLS and first is None:
                first = now
            if first is not None and (event is None or now - first >= _LONGEST):
                self.check_new()
                first = None

    def check_new(self) -> None:
        """Print what is new, oldest first."""
        with self._client as asked:
            for hits in self._pages(asked, self._since, None):
                for hit in hits:
                    self._take(hit)
                # A little before the newest: what was indexed just before it may be searchable only now. What has
                # been printed of that time is remembered.
                self._since = max(self._since, hits[-1]["indexed_at"] - _QUIET)
                self._seen = {path: at for path, at in self._seen.items() if at >= self._since}

    def _pages(self, asked: Client, after: float, until: float | None) -> Iterator[list[dict[str, Any]]]:
        """Give all hits that were indexed in this time, oldest first.

        An answer holds the best of them: where that is not all, both halves of the time are asked for.
        """
        times = {"indexed_after": after} | ({} if until is None else {"indexed_until": until})
        answer = asked.call("search", **self._params | times)
        hits = sorted(answer["hits"], key=lambda hit: (hit["indexed_at"], hit["path"]))
        moments = sorted({hit["indexed_at"] for hit in hits})
        if len(hits) >= answer["matching"] - answer["hidden"] or len(moments) <= 1:
            if hits:
                yield hits
            return
        middle = moments[(len(moments) - 1) // 2]
        yield from self._pages(asked, after, middle)
        yield from self._pages(asked, middle, until)

    def _take(self, hit: dict[str, Any]) -> None:
        stamp = _stamp(hit)
        if not self._known(hit, stamp):
            self._print(hit)
        self._seen[hit["path"]] = hit["indexed_at"]
        if stamp is not None:
            self._printed.pop(stamp, None)
            self._printed[stamp] = hit["path"]
            if len(self._printed) > _REMEMBERED:
                del self._printed[next(iter(self._printed))]

    def _known(self, hit: dict[str, Any], stamp: Stamp | None) -> bool:
        """Tell whether a photo was printed, be it under a name that it has no longer, or before it was indexed anew."""
        same = [path for path, at in self._seen.items() if at == hit["indexed_at"]]
        if stamp in self._printed:
            same.append(self._printed[stamp])
        return hit["path"] in same or any(not os.path.lexists(path) for path in same)

    def _print(self, hit: dict[str, Any]) -> None:
        screen = Console.of(sys.stdout, os.environ)
        screen.write(hit_printer([hit], self._form, screen))
        if self._command:
            _run(self._command, hit["path"])


def _stamp(hit: dict[str, Any]) -> Stamp | None:
    """Say which file a hit is; None where it has changed since it was indexed, and may be another by now."""
    try:
        status = os.stat(hit["path"])  # noqa: PTH116 - a str stays a str
    except (OSError, ValueError):
        return None
    if status.st_ctime > hit["indexed_at"]:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


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
        exit_status.print_error(f"cannot run {command[0]}: {getattr(problem, 'strerror', None) or problem}")
        return
    if done.returncode:
        status = done.returncode
        how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        exit_status.print_error(f"{command[0]} {how} for {path}")
