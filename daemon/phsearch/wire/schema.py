"""How a method and its parameters are described, checked, and shown to `rpc.discover`."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any

from phsearch.wire.jsonrpc import RpcError

_DOUBLED = re.compile("^//")


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter. `kind` is a JSON Schema type; bounds are of the value, or of a text's length.

    `choices`: the only texts that are allowed, if there are any.

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
    choices: tuple[str, ...] = ()
    detail: str = ""
    """What else there is to know, for who reads the description; too much for a message of what is wrong."""

    def check(self, value: Any) -> Any:
        """Give the value if it fits; raises RpcError (InvalidParams)."""
        if value is None and not self.required:
            return self.default
        if not _is(self.kind, value):
            raise self._problem(f"must be {_KIND_NAMES[self.kind]}")
        match value:
            case str() if self.choices:
                if value not in self.choices:
                    raise self._problem(f"must be one of {', '.join(self.choices)}")
            case str():
                self._check_text(value)
                if self.path:
                    # By names alone, as all that is watched: "/photos/../etc" begins like a photo's path and is none.
                    return _DOUBLED.sub("/", posixpath.normpath(value))
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
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.default is not None:
            schema["default"] = self.default
        described = {"name": self.name, "summary": self.summary, "required": self.required, "schema": schema}
        return described | ({"description": f"{self.summary}; {self.detail}"} if self.detail else {})

    def _problem(self, what: str) -> RpcError:
        return RpcError("InvalidParams", f'"{self.name}" {what}', self.summary)


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes and, in words, what it gives."""

    name: str
    summary: str
    result: str
    params: tuple[Param, ...] = ()
    tool: str = ""
    """Its name for an assistant that speaks MCP; empty where none may call it."""

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

    def input_schema(self) -> dict[str, Any]:
        """Describe all parameters as one JSON Schema."""
        described = [param.schema() for param in self.params]
        return {
            "type": "object",
            "properties": {
                each["name"]: each["schema"] | {"description": each.get("description", each["summary"])}
                for each in described
            },
            "required": [each["name"] for each in described if each["required"]],
            "additionalProperties": False,
        }

    def describe(self) -> dict[str, Any]:
        """Describe the method as OpenRPC does."""
        return {
            "name": self.name,
            "summary": self.summary,
            "params": [param.schema() for param in self.params],
            "result": {"name": "result", "summary": self.result, "schema": {"type": "object"}},
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
