"""JSON-RPC 2.0 as values: requests, answers and error codes. See jsonrpc.org/specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

NAMES = {
    PARSE_ERROR: "ParseError",
    INVALID_REQUEST: "InvalidRequest",
    METHOD_NOT_FOUND: "MethodNotFound",
    INVALID_PARAMS: "InvalidParams",
    INTERNAL_ERROR: "InternalError",
    -32000: "NotReady",
    -32001: "Busy",
    -32002: "OutsideLibrary",
    -32003: "ModelMismatch",
    -32004: "ModelUnavailable",
    -32005: "UnreadableImage",
    -32006: "UnsupportedQuery",
    -32007: "CannotStart",
    -32008: "BadQuery",
    -32010: "BadSettings",
}
CODES = {name: code for code, name in NAMES.items()}
RETRYABLE = frozenset({"NotReady", "Busy"})

Id = str | int | float | None


class RpcError(Exception):
    """An error of the protocol. `kind` is one of NAMES, `hint` says what to do next, `more` is added to `data`."""

    def __init__(self, kind: str, message: str, hint: str = "", more: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.hint = hint
        self.more = more or {}

    def body(self) -> dict[str, Any]:
        """Return the `error` member of an answer."""
        data = {"type": self.kind, "hint": self.hint, "retryable": self.kind in RETRYABLE} | self.more
        return {"code": CODES[self.kind], "message": str(self), "data": data}


@dataclass(frozen=True, slots=True)
class Request:
    """A call. `id` is None for a notification, which gets no answer."""

    method: str
    params: dict[str, Any]
    id: Id
    notification: bool = False


def parse_request(message: Any) -> Request:
    """Check the envelope of one decoded line. Raises RpcError (InvalidRequest or InvalidParams)."""
    if isinstance(message, list):
        raise RpcError("InvalidRequest", "batches are not supported", "send one request a line")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        hint = 'send {"jsonrpc":"2.0","id":1,"method":"rpc.discover"}'
        raise RpcError("InvalidRequest", 'a request is an object with "jsonrpc": "2.0"', hint)
    method = message.get("method")
    if not isinstance(method, str):
        raise RpcError("InvalidRequest", '"method" must be a string', 'call "rpc.discover" for the list of methods')
    if request_id(message) is None and message.get("id") is not None:
        raise RpcError("InvalidRequest", '"id" must be a string, a number or null', "")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise RpcError("InvalidParams", '"params" must be an object', "name each parameter")
    return Request(method, params, request_id(message), notification="id" not in message)


def request_id(message: Any) -> Id:
    """Return the id to echo, even of an invalid request; None if there is no valid id."""
    id_ = message.get("id") if isinstance(message, dict) else None
    return id_ if isinstance(id_, str | int | float) and not isinstance(id_, bool) else None


def request(method: str, params: dict[str, Any], id_: Id) -> dict[str, Any]:
    """Return the message of a call."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def result(value: Any, id_: Id) -> dict[str, Any]:
    """Return the answer to a call that succeeded."""
    return {"jsonrpc": "2.0", "id": id_, "result": value}


def error(problem: RpcError, id_: Id) -> dict[str, Any]:
    """Return the answer to a call that failed."""
    return {"jsonrpc": "2.0", "id": id_, "error": problem.body()}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return a message that gets no answer, such as an event."""
    return {"jsonrpc": "2.0", "method": method, "params": params}
