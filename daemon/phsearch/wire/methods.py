"""THE contract: one table of methods that serves the calls, checks their parameters and describes itself.

The server dispatches by it, `rpc.discover` is generated from it, the client and the README follow it. The protocol
grows by adding: a method or an optional parameter may come, none changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phsearch.wire.jsonrpc import RpcError

PROTOCOL = 1
"""Raised only if an old client could misunderstand an answer."""

MAX_QUERY = 1000
"""Longest query in characters; text towers read the first 20 to 60 words anyway."""

MAX_OFFSET = 2**53
"""Above this JSON numbers are not exact everywhere, and stores count in 64 bits."""


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter. `kind` is a JSON Schema type; bounds are of the value, or of a text's length.

    `path`: a file name, in which bytes that are not UTF-8 come as lone surrogates; anywhere else those are no text.
    """

    name: str
    kind: str
    summary: str
    default: Any = None
    required: bool = False
    low: float | None = None
    high: float | None = None
    path: bool = False

    def check(self, value: Any) -> Any:
        """Give the value if it fits; raises RpcError (InvalidParams)."""
        if value is None and not self.required:
            return self.default
        if not _is(self.kind, value):
            raise self._problem(f"must be {_KIND_NAMES[self.kind]}")
        match value:
            case str():
                self._check_text(value)
            case _ if self.low is not None and value < self.low:
                raise self._problem(f"must be at least {self.low:,}")
            case _ if self.high is not None and value > self.high:
                raise self._problem(f"must be at most {self.high:,}")
        return value

    def _check_text(self, text: str) -> None:
        if self.low and not text.strip():
            raise self._problem("must not be blank" if text else "must not be empty")
        if self.high is not None and len(text) > self.high:
            raise self._problem(f"has {len(text):,} characters, the limit is {self.high:,}")
        try:
            # Tokenizers and os.fsencode() raise on half characters: they end here, not in a traceback of the daemon.
            text.encode("utf-8", "surrogateescape" if self.path else "strict")
        except UnicodeEncodeError:
            raise self._problem("is not valid text: it holds half a character") from None
        if self.path and "\0" in text:
            raise self._problem("must not hold a null character")

    def schema(self) -> dict[str, Any]:
        """Describe the parameter as OpenRPC does."""
        schema: dict[str, Any] = {"type": self.kind}
        bounds = ("minLength", "maxLength") if self.kind == "string" else ("minimum", "maximum")
        limits = zip(bounds, (self.low, self.high), strict=True)
        schema |= {key: limit for key, limit in limits if limit is not None}
        if self.default is not None:
            schema["default"] = self.default
        return {"name": self.name, "summary": self.summary, "required": self.required, "schema": schema}

    def _problem(self, what: str) -> RpcError:
        return RpcError("InvalidParams", f'"{self.name}" {what}', self.summary)


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes and, in words, what it gives."""

    name: str
    summary: str
    result: str
    params: tuple[Param, ...] = ()

    def check(self, given: dict[str, Any]) -> dict[str, Any]:
        """Give all parameters with defaults filled in; raises RpcError for unknown, missing or bad ones."""
        known = {param.name for param in self.params}
        for name in given:
            if name not in known:
                takes = ", ".join(sorted(known)) or "no parameters"
                raise RpcError("InvalidParams", f'unknown parameter "{name}"', f"{self.name} takes {takes}")
        for param in self.params:
            if param.required and param.name not in given:
                raise RpcError("InvalidParams", f'"{param.name}" is missing', param.summary)
        return {param.name: param.check(given.get(param.name)) for param in self.params}

    def describe(self) -> dict[str, Any]:
        """Describe the method as OpenRPC does."""
        return {
            "name": self.name,
            "summary": self.summary,
            "params": [param.schema() for param in self.params],
            "result": {"name": "result", "summary": self.result, "schema": {"type": "object"}},
        }


METHODS = {
    method.name: method
    for method in (
        Method(
            "search",
            "Rank the library for a text, best first.",
            "{hits: [{path, score, root, taken_at, width, height, format, offline, last_seen}], pending, photos, "
            "took_ms, synced}; score is the cosine between text and photo, pending counts photos seen but not yet "
            "searchable, synced says, where sync was asked for, whether every file closed before the question could be "
            "found; an offline photo's disk was last there at last_seen (seconds since the epoch, null if unknown)",
            (
                Param("query", "string", "the text to look for", required=True, low=1, high=MAX_QUERY),
                Param("limit", "integer", "how many hits at most", default=20, low=1, high=1000),
                Param("min_score", "number", "leave out hits below this cosine", low=-1, high=1),
                Param(
                    "sync",
                    "number",
                    "first wait, so many seconds at most, until the index has caught up",
                    low=0,
                    high=3600,
                ),
            ),
        ),
        Method(
            "status",
            "Say how the daemon is.",
            "{version, protocol, pid, uptime, model, photos, pending, scanning, errors, counters, roots, rate, eta, "
            "last_error, notices}",
        ),
        Method(
            "library.rescan",
            "Compare the roots with the index now.",
            "{roots: [path]}: those in which a scan was started",
            (Param("path", "string", "only this file or folder", low=1, high=4096, path=True),),
        ),
        Method(
            "library.confirm_deletions",
            "Take what is missing in a root for deleted: it is forgotten, be the root offline or not.",
            "{root, missing}: how many photos that are",
            (Param("root", "string", "the watched folder", required=True, low=1, high=4096, path=True),),
        ),
        Method(
            "library.errors",
            "List the photos that could not be read.",
            "{errors: [{path, reason, attempts, failed_at}], total}",
            (
                Param("limit", "integer", "how many at most", default=1000, low=1, high=5000),
                Param("offset", "integer", "how many to skip", default=0, low=0, high=MAX_OFFSET),
            ),
        ),
        Method(
            "library.why",
            "Say where a photo is, and why it is found or not.",
            "{path, verdict, findable, text, root, match, ...}; verdict is one of outside, offline, missing, "
            "unreadable, excluded, folder, unseen, settling, queued, indexing, failed, indexed, changed, and brings "
            "facts of its own; match is {query, rank, photos, score, text}, or null without a query or a vector",
            (
                Param("path", "string", "the absolute path to explain", required=True, low=1, high=4096, path=True),
                Param("query", "string", "also say how well it matches this", low=1, high=MAX_QUERY),
            ),
        ),
        Method(
            "library.retry",
            "Try photos that could not be read again, though nothing changed.",
            "{retried: count}; a photo that can be read now leaves the errors, any other counts one more attempt",
            (Param("path", "string", "only this photo, or those below this folder", low=1, high=4096, path=True),),
        ),
        Method(
            "library.verify",
            "Compare the index with the files, and embed a random sample again; may take minutes.",
            "{ok, rows, checked, sampled, not_checked, lowest_cosine, mismatched, mismatches: [{path, kind, detail}], "
            "took_ms}; mismatches holds the first of them, mismatched counts all",
            (
                Param(
                    "sample",
                    "integer",
                    "how many photos to read and embed again; more than there are means all",
                    default=200,
                    low=0,
                    high=MAX_OFFSET,
                ),
            ),
        ),
        Method(
            "events.subscribe",
            "Turn this connection into a stream of `event` notifications.",
            "{subscribed: true}; then notifications {type, path, ...} until the connection closes; types: indexed, "
            "reused, moved, removed, failed, root, dropped",
        ),
        Method("rpc.discover", "Describe all methods.", "an OpenRPC document"),
    )
}


def discover(version: str) -> dict[str, Any]:
    """Give the OpenRPC document of the table."""
    return {
        "openrpc": "1.3.2",
        "info": {"title": "phsearch", "version": version, "x-protocol": PROTOCOL},
        "methods": [method.describe() for method in METHODS.values()],
    }


_KIND_NAMES = {"string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false"}


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, bool)
