"""The tools, which only read, and their calls of the daemon. A call blocks, and each has a connection of its own.

So two calls do not wait for each other, and a daemon that restarts between two of them is not noticed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from phsearch.cli.compatibility import raise_mismatch
from phsearch.cli.mcp_server.answers import Answer, answer_search, answer_status, answer_why
from phsearch.client import Client, parse_answer
from phsearch.errors import DaemonUnreachableError, PhsearchError
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phsearch.cli.mcp_server.answers import JsonObject
    from phsearch.wire.schema import Method

_START_SECONDS = 10.0
"""How long to wait at first for a daemon that does not run: it may be starting too."""
_RESTART_SECONDS = 40.0
"""How long to wait for a daemon that answered before: it restarts."""
_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: the daemon's method that it calls, and what makes the answer.

    It makes it of the arguments, of the result, and of the JSON of the result, with members of a newer daemon.
    """

    method: Method
    answer: Callable[[Mapping[str, Any], Any, JsonObject], Answer]

    @property
    def description(self) -> str:
        """What the tool does and returns."""
        return f"{self.method.summary} Returns: {self.method.result.__doc__}"


TOOLS = {
    "search": Tool(METHODS["search"], answer_search),
    "status": Tool(METHODS["status"], answer_status),
    "why": Tool(METHODS["library.why"], answer_why),
}


class ToolCaller:
    """Calls tools of the daemon at one socket. Threads may share it."""

    def __init__(self, socket_path: str | None, timeout: float) -> None:
        self._socket_path = socket_path
        self._timeout = timeout
        self._wait_seconds = _START_SECONDS

    def call(self, tool: Tool, arguments: Mapping[str, Any]) -> Answer:
        """Return the answer within the timeout, also of a daemon that is only starting. Raise PhsearchError."""
        given = {name: _path_of_uri(value) if name == "path" else value for name, value in arguments.items()}
        try:
            tool.method.check(given)
        except RpcError as problem:
            raise PhsearchError(str(problem), problem.hint) from None
        start, left = time.monotonic(), self._timeout
        while True:
            try:
                with Client(self._socket_path, left) as client:
                    answer = _ask(client, tool, given)
            except DaemonUnreachableError:
                waited = time.monotonic() + _PAUSE - start
                if waited > self._wait_seconds or waited >= self._timeout:
                    raise
                left = self._timeout - waited
            else:
                self._wait_seconds = _RESTART_SECONDS
                return answer
            time.sleep(_PAUSE)


def _ask(client: Client, tool: Tool, given: Mapping[str, Any]) -> Answer:
    try:
        data = client.call(tool.method.name, **given)
        return tool.answer(given, parse_answer(tool.method.result, data), data)
    except Exception as problem:
        raise_mismatch(client, problem)
        raise


def _path_of_uri(given: Any) -> Any:
    """Return the path of a file URI, every byte of it, and anything else unchanged."""
    if not isinstance(given, str) or not given.startswith("file:///"):
        return given
    return unquote_to_bytes(given.removeprefix("file://")).decode("utf-8", "surrogateescape")
