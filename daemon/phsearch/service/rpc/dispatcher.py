"""Requests in, answers out: parameters are checked and errors are mapped as the table in `wire.methods` says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from phsearch.errors import (
    AlbumError,
    CannotCalibrateError,
    ConfigError,
    ModelChoiceError,
    ModelMismatchError,
    ModelUnavailableError,
    NotReadyError,
    OutsideLibraryError,
    PhsearchError,
    QueryError,
    StoreError,
    UnreadableImageError,
    UnsupportedQueryError,
)
from phsearch.wire import PROTOCOL, framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phsearch.wire.record import Record

log = logging.getLogger("phsearch.server")

Handlers = Mapping[str, Callable[..., Coroutine[Any, Any, "Record"]]]
"""What serves each method: it gets the checked parameters by name and returns the result."""

_MCP = ("initialize", "server/discover")

_PATHS = frozenset({"path", "root"})
"""Parameters that name a photo or folder of the library."""

_PROTOCOL = {"protocol": PROTOCOL}
"""Part of every result except the OpenRPC document, which names the protocol in its own way."""

_KINDS: dict[type[PhsearchError], str] = {
    NotReadyError: "NotReady",
    ModelMismatchError: "ModelMismatch",
    ModelUnavailableError: "ModelUnavailable",
    UnsupportedQueryError: "UnsupportedQuery",
    StoreError: "NotReady",
    ConfigError: "BadSettings",
    AlbumError: "InvalidParams",
    CannotCalibrateError: "InvalidParams",
    ModelChoiceError: "InvalidParams",
    OutsideLibraryError: "OutsideLibrary",
    QueryError: "BadQuery",
    UnreadableImageError: "UnreadableImage",
}


class Dispatcher:
    """Answers the requests of all connections."""

    def __init__(self, groups: Iterable[Handlers], library_name: Callable[[str], str] = lambda path: path) -> None:
        """`library_name` returns a path as the library knows it, which may have other names on this machine."""
        self._library_name = library_name
        self._handlers = {name: handler for group in groups for name, handler in group.items()}
        self._changes: set[asyncio.Task[Record]] = set()
        assert self._handlers.keys() == METHODS.keys()

    async def handle_line(self, line: bytes) -> dict[str, Any] | None:
        """Answer one line. Return None for a notification: it gets no answer, not even an error."""
        message: Any = None
        try:
            message = _decode(line)
            request = jsonrpc.parse_request(message)
            result = await self.call(request.method, request.params)
        except RpcError as error:
            return None if _is_notification(message) else jsonrpc.error(error, jsonrpc.request_id(message))
        except Exception:
            log.exception("a call ended in a bug: %.200r", line)
            problem = RpcError(
                "InternalError", "phsearch failed to answer", "the daemon's log says more; please report it"
            )
            return jsonrpc.error(problem, jsonrpc.request_id(message))
        return None if request.notification else jsonrpc.result(result, request.id)

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call a method of the table, and return the members of its result. Raises RpcError."""
        method = METHODS.get(name)
        if method is None:
            hint = "for MCP start `phsearch-client mcp`" if name in _MCP else f"methods: {', '.join(METHODS)}"
            raise RpcError("MethodNotFound", f'there is no method "{name}"', hint)
        checked = method.check(params)
        for key in _PATHS & checked.keys():
            if checked[key] is not None:
                checked[key] = self._library_name(checked[key])
        try:
            work = self._handlers[name](**checked)
            result = await (self._run_to_end(work) if method.changes else work)
        except PhsearchError as error:
            kind = _KINDS.get(type(error), "InternalError")
            more = {"place": [error.start, error.end]} if isinstance(error, QueryError) else None
            raise RpcError(kind, str(error), error.hint, more) from error
        return result.json_members() | ({} if name == "rpc.discover" else _PROTOCOL)

    async def finish_changes(self, seconds: float) -> None:
        """Wait for changes whose clients may have left, and cancel what takes longer."""
        if self._changes:
            _, late = await asyncio.wait(self._changes, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run_to_end(self, work: Coroutine[Any, Any, Record]) -> Record:
        """Run a change in a task of its own: a client that hangs up neither stops nor halves it."""
        task = asyncio.create_task(work)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_untold)
            raise


def _log_untold(task: asyncio.Task[Record]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        bug = error if not isinstance(error, PhsearchError | RpcError) else None
        log.warning("a change failed, and its client had left: %s", error, exc_info=bug)


def _decode(line: bytes) -> Any:
    try:
        return framing.decode(line)
    except ValueError:
        raise RpcError("ParseError", "the line is not JSON", "send one JSON object a line, in UTF-8") from None


def _is_notification(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("method"), str) and "id" not in message
