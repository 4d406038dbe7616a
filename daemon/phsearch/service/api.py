"""Calls by name, exactly those of the table in `wire.methods`: parameters checked, errors put as the wire has them."""

from __future__ import annotations

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
from phsearch.wire import PROTOCOL
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable

Calls = Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]
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


class Caller(Protocol):
    """Whatever the server can hand its requests to."""

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call one method. Raises RpcError."""


class Api:
    """Whoever speaks to the socket gets what these give."""

    def __init__(self, groups: Iterable[Calls]) -> None:
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
