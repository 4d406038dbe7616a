"""`--follow`: new matches as photos arrive.

An event only starts a search for what was indexed since the last one. So nothing is lost when events are lost, or when
the daemon restarts in between.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

from phsearch.cli import exit_status
from phsearch.cli.render.hits import JSON, TABLE, format_hits
from phsearch.cli.render.table import json_line
from phsearch.cli.search_request import show_position
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.errors import AnswerTimeoutError, DaemonUnreachableError, RemoteError
from phsearch.wire.results.search import SearchResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phsearch.cli.render.hits import Form
    from phsearch.client import Client, EventStream
    from phsearch.wire.results.search import Hit

    Stamp = tuple[int, int, int, int]
    """Device, inode, size and time of change of a file."""

_QUIET_SECONDS, _LONGEST_SECONDS = 0.2, 1.0
"""A search starts after so many seconds without an event, or so many after the first event."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_LIMIT = 1000
_REMEMBERED = 10_000
"""How many printed photos are known. A daemon that ended before it wrote the last ones indexes them again."""
_SEARCH_EVENTS = frozenset({"indexed", "reused", "moved", "dropped", "root"})


def follow(client: Client, params: Mapping[str, Any], form: Form = TABLE, command: Sequence[str] | None = None) -> int:
    """Print new hits until the user ends it, and run `command` for each, if there is one.

    Raise the errors of the first search. A later error is printed once, and the search is repeated until it works.
    """
    follower = _Follower(client=client, params=params, form=form, command=command or ())
    pause, started, reported = _FIRST_PAUSE, False, False
    while True:
        try:
            # A new connection each time: the rest of a broken one is of no use.
            with show_position(params["query"]), client.events() as events:
                follower.check_new()
                pause, started, reported = _FIRST_PAUSE, True, False
                follower.listen(events)
        except (DaemonUnreachableError, AnswerTimeoutError, RemoteError) as problem:
            if not started or (isinstance(problem, RemoteError) and problem.kind == "Protocol"):
                raise
            if not reported:
                refused = isinstance(problem, RemoteError) and not problem.retryable
                exit_status.print_error(f"{problem}; {'trying again' if refused else 'waiting for it to come back'}")
                reported = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class _Follower:
    """One query that is followed, and which of its photos were printed."""

    def __init__(self, *, client: Client, params: Mapping[str, Any], form: Form, command: Sequence[str]) -> None:
        self._client = client
        self._params = {**params, "limit": _LIMIT, "collapse": False}
        self._form = form
        self._command = list(command)
        self._since: int | None = None
        self._printed: dict[Stamp | None, str] = {}

    def listen(self, events: EventStream) -> None:
        """Search when events have come. Raise DaemonUnreachableError when the daemon ends."""
        first: float | None = None
        while True:
            event = events.next_event(None if first is None else _QUIET_SECONDS)
            now = time.monotonic()
            if event is not None and event.type in _SEARCH_EVENTS and first is None:
                first = now
            if first is not None and (event is None or now - first >= _LONGEST_SECONDS):
                self.check_new()
                first = None

    def check_new(self) -> None:
        """Print what is new, oldest first."""
        with self._client:
            if self._since is None:
                self._since = int(self._client.call("status").get("sequence", 0))
            for hits in self._pages(self._since, None):
                for hit, answer in hits:
                    self._print_if_new(hit, answer)
                self._since = max(self._since, hits[-1][0].sequence)

    def _pages(self, after: int, until: int | None) -> Iterator[list[tuple[Hit, Any]]]:
        """Yield all hits after one number and up to another, oldest first, each with what the answer has of it.

        An answer holds only the best of them. Where some are missing, each half of the numbers is asked for.
        """
        bounds = {"after_sequence": after} | ({} if until is None else {"until_sequence": until})
        answer = self._client.call("search", **self._params | bounds)
        found = parse_answer(SearchResult, answer)
        pairs = zip(found.hits, answer["hits"], strict=True)
        hits = sorted(pairs, key=lambda pair: (pair[0].sequence, pair[0].path))
        numbers = sorted({hit.sequence for hit in found.hits})
        if len(hits) >= found.matching - found.hidden or len(numbers) <= 1:
            if hits:
                yield hits
            return
        middle = numbers[(len(numbers) - 1) // 2]
        yield from self._pages(after, middle)
        yield from self._pages(middle, until)

    def _print_if_new(self, hit: Hit, answer: Any) -> None:
        """Print a hit, unless its file was printed, perhaps under its former name or before it was indexed again."""
        stamp = _stamp(hit)
        former = self._printed.pop(stamp, None)
        if former is None or (former != hit.path and os.path.lexists(former)):
            self._print(hit, answer)
        if stamp is not None:
            self._printed[stamp] = hit.path
            if len(self._printed) > _REMEMBERED:
                del self._printed[next(iter(self._printed))]

    def _print(self, hit: Hit, answer: Any) -> None:
        console = Console.stdout()
        if self._form == JSON:
            console.write(json_line(answer))
        else:
            console.write(format_hits([hit], self._form, console, headings=False))
        if self._command:
            _run_command(self._command, hit.path)


def _stamp(hit: Hit) -> Stamp | None:
    """Return which file a hit is; None where the file has changed since it was indexed: it may be another photo."""
    try:
        status = os.stat(hit.path)  # noqa: PTH116 - a str stays a str
    except (OSError, ValueError):
        return None
    if status.st_ctime > hit.indexed_at:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _run_command(command: list[str], path: str) -> None:
    """Run a command with the path as one argument. Its failure is printed and ends nothing."""
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
