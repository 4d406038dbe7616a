"""The daemon as tools of an assistant that speaks MCP, with answers in words beside the data."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from phsearch import __version__
from phsearch.text import replace_surrogates
from phsearch.wire import framing, mcp
from phsearch.wire.jsonrpc import RETRYABLE, RpcError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.wire.schema import Method

_RETRY_SECONDS = 30.0
"""A model loads in seconds, on a busy machine in twenty. MCP clients give up after sixty."""
_RETRY_PAUSE = 0.25
_ENVELOPE = 8192


def format_summary(query: str, found: dict[str, Any], shown: int) -> str:
    """Return a sentence about the number of photos that were found."""
    if not found["photos"]:
        return f'No photo is indexed yet, so none can match "{query}".{_pending(found)}'
    if not found["hits"]:
        return f'No photo of {found["photos"]:,} matches "{query}" so well.{_pending(found)}'
    cut = f" (the first {shown:,} of {len(found['hits']):,})" if shown < len(found["hits"]) else ""
    return f'The photos of {found["photos"]:,} that match "{query}" best{cut}:{_pending(found)}'


def format_hit(number: int, hit: dict[str, Any]) -> str:
    """Return a line about one hit."""
    facts = [f"{hit['width']}x{hit['height']} {hit['format']}"]
    if hit["taken_at"]:
        facts.append(f"taken {hit['taken_at'][:10]}")
    if hit["offline"]:
        facts.append("offline: its disk is not there now")
    if hit["band"] is not None:
        facts.insert(
            0, f"{hit['band']} match, probability {hit['relevance']:.2f}" if hit["band"] != "none" else "hardly fits"
        )
    return f"{number}. score {hit['score']:.3f}  {hit['path']}  ({', '.join(facts)})"


def format_status(found: dict[str, Any]) -> str:
    """Return lines about the daemon, its model and its folders."""
    model = found["model"]
    counts = f"{found['photos']:,} photos, {found['pending']:,} pending, {found['errors']:,} could not be read"
    lines = [
        f"phsearchd {found['version']}: {counts}.",
        f"Model {model['name']}: {model['state']}{': ' + model['reason'] if model['reason'] else ''}.",
    ]
    lines += [f"Folder {root['path']}: {root['state']}, {root['photos']:,} photos." for root in found["roots"]]
    lines += [f"Note: {notice['text']}: {notice['hint']}" for notice in found["notices"]]
    return "\n".join(lines)


def format_why(found: dict[str, Any]) -> str:
    """Return the verdict about a photo, and how it matches a query."""
    verdict = f"{found['path']}: {found['text']}"
    return f"{verdict}\n{found['match']['text']}" if found["match"] else verdict


def _pending(found: dict[str, Any]) -> str:
    return f" {found['pending']:,} more are still being indexed." if found["pending"] else ""


class McpAdapter:
    """Answers the methods of MCP. Tools are calls of phsearch's own methods, by `call`."""

    def __init__(self, call: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
        self._call = call

    async def call(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call one method of MCP. Raises RpcError."""
        if name != "tools/call":
            return mcp.answer(name, params, __version__)
        mcp.check_version(params)
        return await self._call_tool(*mcp.parse_tool_call(params))

    async def _call_tool(self, tool: Method, given: dict[str, Any]) -> dict[str, Any]:
        given = {name: _path_of_uri(value) if name == "path" else value for name, value in given.items()}
        try:
            found = await self._call_with_retry(tool, given)
        except RpcError as problem:
            return mcp.tool_error(problem)
        match tool.tool:
            case "search":
                return _format_hits(given["query"], found)
            case "status":
                return mcp.tool_result(replace_surrogates(format_status(found)), _strip_surrogates(found), [])
            case _:
                return mcp.tool_result(
                    replace_surrogates(format_why(found)), _strip_surrogates(found), [mcp.link(found["path"])]
                )

    async def _call_with_retry(self, tool: Method, given: dict[str, Any]) -> dict[str, Any]:
        """Call, and again while the answer is "not ready": an assistant would not ask again by itself."""
        deadline = asyncio.get_running_loop().time() + _RETRY_SECONDS
        while True:
            try:
                return await self._call(tool.name, given)
            except RpcError as problem:
                if problem.kind not in RETRYABLE or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(_RETRY_PAUSE)


def _path_of_uri(given: Any) -> Any:
    """Return the path of a file URI, every byte of it, and anything else unchanged."""
    if not isinstance(given, str) or not given.startswith("file:///"):
        return given
    return unquote_to_bytes(given.removeprefix("file://")).decode("utf-8", "surrogateescape")


def _format_hits(query: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return hits in words, data and links: as many as fit into one line."""
    lines, links, rows = [], [], []
    room = framing.MAX_LINE - _ENVELOPE
    for number, hit in enumerate(found["hits"], 1):
        line, link = replace_surrogates(format_hit(number, hit)), mcp.link(hit["path"], hit["format"])
        row = _strip_surrogates(hit | {"uri": link["uri"]})
        room -= sum(len(framing.encode(each)) for each in (line, link, row))
        if room < 0:
            break
        lines.append(line)
        links.append(link)
        rows.append(row)
    text = "\n".join([format_summary(query, found, len(rows)), *lines])
    return mcp.tool_result(replace_surrogates(text), _strip_surrogates(found | {"hits": rows}), links)


def _strip_surrogates(value: Any) -> Any:
    """Return JSON without lone surrogates, which strict parsers refuse.

    They stand for bytes that are not UTF-8. The links still have every byte.
    """
    match value:
        case str():
            return replace_surrogates(value)
        case dict():
            return {key: _strip_surrogates(each) for key, each in value.items()}
        case list():
            return [_strip_surrogates(each) for each in value]
        case _:
            return value
