"""The daemon as an assistant's tools: answers MCP beside phsearch's own methods, on the same socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from phsearch import __version__
from phsearch.display import whole
from phsearch.service import telling
from phsearch.wire import framing, mcp
from phsearch.wire.jsonrpc import RETRYABLE, RpcError

if TYPE_CHECKING:
    from phsearch.service.api import Caller
    from phsearch.wire.schema import Method

_PATIENCE = 30.0
"""A model loads in seconds, on a busy machine in twenty; MCP clients give up after sixty."""
_PAUSE = 0.25
_ENVELOPE = 8192


class Assistant:
    """Takes every call: those of MCP it answers itself, the others it hands on."""

    def __init__(self, api: Caller, patience: float = _PATIENCE) -> None:
        self._api = api
        self._patience = patience

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call one method. Raises RpcError."""
        match name:
            case "tools/call":
                mcp.check_version(params)
                return await self._use(*mcp.called(params))
            case _ if (answer := mcp.answer(name, params, __version__)) is not None:
                return answer
            case _:
                return await self._api.call(name, params)

    async def _use(self, tool: Method, given: dict[str, Any]) -> dict[str, Any]:
        given = {name: _path(value) if name == "path" else value for name, value in given.items()}
        try:
            found = await self._patiently(tool, given)
        except RpcError as problem:
            return mcp.failed(problem)
        match tool.tool:
            case "search":
                return _hits(given["query"], found)
            case "status":
                return mcp.said(whole(telling.status(found)), _clean(found), [])
            case _:
                return mcp.said(whole(telling.why(found)), _clean(found), [mcp.link(found["path"])])

    async def _patiently(self, tool: Method, given: dict[str, Any]) -> dict[str, Any]:
        """Call, and again while the answer is "not ready": an assistant would give up where a person asks again."""
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return await self._api.call(tool.name, given)
            except RpcError as problem:
                if problem.kind not in RETRYABLE or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(_PAUSE)


def _path(given: Any) -> Any:
    """Give the path behind a link of ours, every byte of it; anything else as it is."""
    if not isinstance(given, str) or not given.startswith("file:///"):
        return given
    return unquote_to_bytes(given.removeprefix("file://")).decode("utf-8", "surrogateescape")


def _hits(query: str, found: dict[str, Any]) -> dict[str, Any]:
    """Tell hits in words, data and links: as many as one line can hold so."""
    lines, links, rows = [], [], []
    room = framing.MAX_LINE - _ENVELOPE
    for number, hit in enumerate(found["hits"], 1):
        line, link = whole(telling.hit(number, hit)), mcp.link(hit["path"], hit["format"])
        row = _clean(hit | {"uri": link["uri"]})
        room -= sum(len(framing.encode(each)) for each in (line, link, row))
        if room < 0:
            break
        lines.append(line)
        links.append(link)
        rows.append(row)
    text = "\n".join([telling.summary(query, found, len(rows)), *lines])
    return mcp.said(whole(text), _clean(found | {"hits": rows}), links)


def _clean(value: Any) -> Any:
    """Give JSON that strict parsers accept: they refuse the lone surrogates that stand for bytes which are not UTF-8.

    The links have every byte.
    """
    match value:
        case str():
            return whole(value)
        case dict():
            return {key: _clean(each) for key, each in value.items()}
        case list():
            return [_clean(each) for each in value]
        case _:
            return value
