"""What a line gets for an answer, whichever connection it came by."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from phsearch.service.api import Caller

log = logging.getLogger("phsearch.server")


class Answers:
    """One request in, one answer out."""

    def __init__(self, api: Caller) -> None:
        self._api = api

    async def to(self, line: bytes) -> dict[str, Any] | None:
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
