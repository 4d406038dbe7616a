"""The Model Context Protocol (modelcontextprotocol.io) as values: phsearch as tools of an assistant.

MCP is JSON-RPC 2.0 with one object a line, as is phsearch's own protocol, and both use the same socket. The tools come
from the table in `wire.methods`. No state is kept between two requests, so an assistant does not notice when the daemon
restarts. There are two ways to begin: the handshake (`initialize`) of the versions up to 2025-11-25, and
`server/discover` of those from 2026-07-28 on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.text import file_uri, replace_surrogates
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from phsearch.wire.schema import Method

HANDSHAKEN = ("2025-11-25", "2025-06-18")
STATELESS = ("2026-07-28",)
"""The supported versions, newest first. Links to files, which hits need, came with 2025-06-18."""

TOOLS: dict[str, Method] = {method.tool: method for method in METHODS.values() if method.tool}

_METHODS = frozenset({"initialize", "server/discover", "tools/list", "tools/call", "ping"})
_VERSION = "io.modelcontextprotocol/protocolVersion"
_SERVER = "io.modelcontextprotocol/serverInfo"
_READS_ONLY = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
# The tools change only with the daemon's version; even so a client should ask again after an hour.
_CACHE = {"ttlMs": 3_600_000, "cacheScope": "private"}
_IMAGE_TYPES = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF", "JXL"})
_COMPLETE = {"resultType": "complete"}
_INSTRUCTIONS = (
    "phsearch finds the owner's photos on this machine by what they show. `search` takes a short description of the "
    'picture, such as "a dog on a beach", and filters, as in "snow date:2023 in:Holidays"; relevance is the '
    "probability that a photo is what was meant, band says it in a word (null where the model is not calibrated: then "
    "only the order of scores means much), and min_band leaves out what hardly fits. `why` says why a certain file is "
    "found or not, `status` how far the index is."
)


def is_method(name: str) -> bool:
    """Whether a method is one of MCP."""
    return name in _METHODS or name.startswith("notifications/")


def answer(name: str, params: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the result of any method of MCP but `tools/call`. Raises RpcError."""
    match name:
        case "initialize":
            return _initialized(params, version)
        case "server/discover":
            check_version(params)
            return _discovered(version)
        case "tools/list":
            check_version(params)
            return {"tools": [_tool(method) for method in TOOLS.values()]} | _CACHE | _COMPLETE
        case _:  # ping, and notifications, which get no answer
            return {}


def _initialized(params: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the result of `initialize`: with the client's version, or the newest that is supported."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str):
        raise RpcError("InvalidParams", '"protocolVersion" is missing', f"we speak {', '.join(HANDSHAKEN)}")
    about = {"serverInfo": _about(version), "capabilities": {"tools": {}}, "instructions": _INSTRUCTIONS}
    return {"protocolVersion": wanted if wanted in HANDSHAKEN else HANDSHAKEN[0]} | about


def _discovered(version: str) -> dict[str, Any]:
    """Return the result of `server/discover`."""
    about = {"capabilities": {"tools": {}}, "instructions": _INSTRUCTIONS, "_meta": {_SERVER: _about(version)}}
    return {"supportedVersions": [*STATELESS, *HANDSHAKEN]} | about | _CACHE | _COMPLETE


def check_version(params: dict[str, Any]) -> None:
    """Raise RpcError for a request of a version that is not supported."""
    meta = params.get("_meta")
    wanted = meta.get(_VERSION) if isinstance(meta, dict) else None
    if wanted is not None and wanted not in STATELESS + HANDSHAKEN:
        supported = [*STATELESS, *HANDSHAKEN]
        problem = f"version {str(wanted)[:40]} of MCP is not supported"
        more = {"supported": supported, "requested": wanted}
        raise RpcError("UnsupportedProtocolVersion", problem, f"use one of {', '.join(supported)}", more)


def parse_tool_call(params: dict[str, Any]) -> tuple[Method, dict[str, Any]]:
    """Return the method and the arguments of `tools/call`. Raises RpcError if there is no such tool."""
    name, given = params.get("name"), params.get("arguments")
    method = TOOLS.get(name) if isinstance(name, str) else None
    if method is None:
        raise RpcError("InvalidParams", f'there is no tool "{str(name)[:40]}"', f"tools: {', '.join(TOOLS)}")
    if not isinstance(given, dict | None):
        raise RpcError("InvalidParams", '"arguments" must be an object', "name each argument")
    return method, given or {}


def tool_result(text: str, structured: dict[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a tool: in words, as links, and as data."""
    content = [{"type": "text", "text": text}, *links]
    result: dict[str, Any] = {"content": content, "structuredContent": structured, "isError": False} | _COMPLETE
    return result


def tool_error(problem: RpcError) -> dict[str, Any]:
    """Return an error as the result of a tool: an assistant sees it there, and can act on the hint."""
    text = f"{problem}: {problem.hint}" if problem.hint else str(problem)
    return {"content": [{"type": "text", "text": replace_surrogates(text)}], "isError": True} | _COMPLETE


def link(path: str, kind: str = "") -> dict[str, Any]:
    """Return a link to the file of a photo; `kind` is its format as in a hit."""
    resource = {
        "type": "resource_link",
        "uri": file_uri(path),
        "name": replace_surrogates(path.rpartition("/")[2] or path),
    }
    return resource | {"mimeType": f"image/{kind.lower()}"} if kind in _IMAGE_TYPES else resource


def _tool(method: Method) -> dict[str, Any]:
    description = f"{method.summary} {method.result.__doc__}"
    about = {"name": method.tool, "description": description, "inputSchema": method.input_schema()}
    return about | {"annotations": _READS_ONLY}


def _about(version: str) -> dict[str, Any]:
    return {"name": "phsearch", "title": "Photo search", "version": version}
