"""Calls by name, exactly those of the table in `wire.methods`: parameters checked, errors put as the wire has them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from phsearch.errors import (
    AlbumError,
    ConfigError,
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

Handlers = Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]
"""Method -> what it does with its checked parameters."""

_OF = {"protocol": PROTOCOL}
"""Goes with every result but the OpenRPC document, which has a place of its own for it."""

_KINDS: dict[type[PhsearchError], str] = {
    NotReadyError: "NotReady",
    ModelMismatchError: "ModelMismatch",
    ModelUnavailableError: "ModelUnavailable",
    UnsupportedQueryError: "UnsupportedQuery",
    StoreError: "NotReady",
    ConfigError: "BadSettings",
    AlbumError: "InvalidParams",
    OutsideLibraryError: "OutsideLibrary",
    QueryError: "BadQuery",
    UnreadableImageError: "UnreadableImage",
}


class Handler(Protocol):
    """Whatever the server can hand its requests to."""

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call one method. Raises RpcError."""


class MethodTable:
    """Whoever speaks to the socket gets what these give."""

    def __init__(self, groups: Iterable[Handlers]) -> None:
        self._calls = {name: call for group in groups for name, call in group.items()}
        assert self._calls.keys() == METHODS.keys()

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call one method. Raises RpcError."""
        method = METHODS.get(name)
        if method is None:
            raise RpcError("MethodNotFound", f'there is no method "{name}"', f"methods: {', '.join(METHODS)}")
        checked = method.check(params)
        try:
            return await self._calls[name](checked) | ({} if name == "rpc.discover" else _OF)
        except PhsearchError as error:
            kind = _KINDS.get(type(error), "InternalError")
            more = {"place": [error.start, error.end]} if isinstance(error, QueryError) else None
            raise RpcError(kind, str(error), error.hint, more) from error


# What a line gets for an answer, whichever connection it came by.


log = logging.getLogger("phsearch.server")


class Dispatcher:
    """One request in, one answer out."""

    def __init__(self, api: Handler) -> None:
        self._api = api

    async def handle_line(self, line: bytes) -> dict[str, Any] | None:
        """Answer one line; None for a notification, which gets no answer."""
        message: Any = None
        try:
            try:
                message = framing.decode(line)
            except ValueError:
                raise RpcError("ParseError", "the line is not JSON", "send one JSON object a line, in UTF-8") from None
            request = jsonrpc.parse_request(message)
            value = await self._api.call(request.method, request.params)
        except RpcError as error:
            if _is_notification(message):
                return None
            return jsonrpc.error(error, jsonrpc.request_id(message))
        except Exception:
            log.exception("a call ended in a bug: %.200r", line)
            problem = RpcError(
                "InternalError", "phsearch failed to answer", "the daemon's log says more; please report it"
            )
            return jsonrpc.error(problem, jsonrpc.request_id(message))
        return None if request.notification else jsonrpc.result(value, request.id)


def _is_notification(message: Any) -> bool:
    """Tell a request that wants no answer, not even of what is wrong with it."""
    return isinstance(message, dict) and isinstance(message.get("method"), str) and "id" not in message


def too_long() -> dict[str, Any]:
    """Give the answer to a line over the limit."""
    problem = RpcError("ParseError", f"a line may have {framing.MAX_LINE:,} bytes", "send shorter requests")
    return jsonrpc.error(problem, None)


def busy(reason: str) -> dict[str, Any]:
    """Give what somebody is told who has to come back later."""
    return jsonrpc.error(RpcError("Busy", reason, "try again in a moment"), None)
