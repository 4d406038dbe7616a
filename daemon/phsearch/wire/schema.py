"""Methods and parameters: their description for `rpc.discover`, and the check of values."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.record import Record

JsonSchema = dict[str, Any]
"""A schema, or what OpenRPC says of a parameter, as json-schema.org has it."""

_DOUBLED = re.compile("^//")


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter. `kind` is a JSON Schema type; `low` and `high` bound the value, or the length of a text.

    `choices` are the only texts that are allowed, if there are any. `path` is true for a file name: bytes that are not
    UTF-8 come as lone surrogates there, which are not valid in any other text.
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
    """More for the reader of the description; too long for an error message."""

    def check(self, value: Any) -> Any:
        """Return the value, or the default for none. Raises RpcError (InvalidParams)."""
        if value is None and not self.required:
            return self.default
        if not _is_kind(self.kind, value):
            raise self._problem(f"must be {_KIND_NAMES[self.kind]}")
        match value:
            case str() if self.choices:
                if value not in self.choices:
                    raise self._problem(f"must be one of {', '.join(self.choices)}")
            case str():
                self._check_text(value)
                if self.path:
                    # By names alone, as for watched paths: "/photos/../etc" starts like the path of a photo.
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
            # Tokenizers and os.fsencode() raise on half characters; the client gets an error in place of a bug.
            text.encode("utf-8", "surrogateescape" if self.path else "strict")
        except UnicodeEncodeError:
            raise self._problem("is not valid text: it holds half a character") from None
        if self.path and "\0" in text:
            raise self._problem("must not hold a null character")

    def schema(self) -> JsonSchema:
        """Describe the parameter as OpenRPC does."""
        schema: JsonSchema = {"type": self.kind}
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
    """One method: its parameters and its result."""

    name: str
    summary: str
    result: type[Record]
    params: tuple[Param, ...] = ()
    changes: bool = False
    """Whether it changes something: then it is done to its end even if the client hangs up."""

    def check(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return all parameters, with defaults filled in. Raises RpcError for unknown, missing or invalid ones."""
        known = {param.name for param in self.params}
        for name in given:
            if name not in known:
                takes = ", ".join(sorted(known)) or "no parameters"
                raise RpcError("InvalidParams", f'unknown parameter "{name}"', f"{self.name} takes {takes}")
        for param in self.params:
            if param.required and param.name not in given:
                raise RpcError("InvalidParams", f'"{param.name}" is missing', param.summary)
        return {param.name: param.check(given.get(param.name)) for param in self.params}

    def input_schema(self) -> JsonSchema:
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
            "result": {"name": "result", "summary": self.result.__doc__ or "", "schema": self._result_schema()},
        }

    def _result_schema(self) -> JsonSchema:
        """Describe the result as a JSON Schema. All but the OpenRPC document have `protocol` as a member, too."""
        schema = record_schema(self.result)
        return (
            schema
            if self.name == "rpc.discover"
            else schema | {"properties": schema["properties"] | {"protocol": {"type": "integer"}}}
        )


def record_schema(kind: type[Record]) -> JsonSchema:
    """Describe a record as a JSON Schema."""
    optional = kind.optional_members()
    return {
        "type": "object",
        "description": kind.__doc__ or "",
        "properties": {
            name: _without_null(schema) if name in optional else schema
            for name, annotation in kind.__annotations__.items()
            for schema in (_type_schema(annotation),)
        },
        "required": [name for name in kind.__annotations__ if name not in optional],
    }


def _type_schema(annotation: Any) -> JsonSchema:
    match get_origin(annotation), get_args(annotation):
        case origin, (inner, text) if origin is Annotated:
            return _type_schema(inner) | {"description": text}
        case origin, choices if origin is Literal:
            return {"type": "string", "enum": list(choices)}
        case origin, (item, _) if origin is tuple:
            return {"type": "array", "items": _type_schema(item)}
        case origin, kinds if origin in {Union, UnionType}:
            return {"anyOf": [*(_type_schema(each) for each in kinds if each is not NoneType), {"type": "null"}]}
        case _ if isinstance(annotation, type) and issubclass(annotation, Record):
            return record_schema(annotation)
        case _:
            return {"type": _JSON_TYPES.get(annotation, "object")}


def _without_null(schema: JsonSchema) -> JsonSchema:
    """Return the schema of a member that is left out in place of being null."""
    inner: JsonSchema = schema["anyOf"][0]
    return inner | {key: text for key, text in schema.items() if key != "anyOf"}


_JSON_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_KIND_NAMES = {"string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false"}


def _is_kind(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, bool)
