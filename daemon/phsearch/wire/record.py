"""Records: what results consist of. They are immutable, and their members have names and types.

A type checker takes them for frozen dataclasses with keyword arguments. They are not made by `dataclasses`, because
importing that takes a client longer than the daemon's answer. A class has its members from its annotations, as objects:
its module has no `from __future__ import annotations`. Text in `Annotated` describes a member in `rpc.discover`.

The protocol grows by additions, so what was sent by another version is read leniently: unknown members are ignored, a
missing member has its default, or is None where it may be. On the wire a member whose default is None is left out while
it is None.
"""

from __future__ import annotations

from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    NoReturn,
    Self,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    _Reader = Callable[[Any], Any]

_MISSING: Any = object()


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """Base of all records."""

    _defaults: ClassVar[dict[str, Any]] = {}
    """Every member, in the order of the declaration -> its default, or _MISSING."""
    _optional: ClassVar[frozenset[str]] = frozenset()
    """Members whose default is None."""
    _readers: ClassVar[dict[str, _Reader] | None] = None

    def __init_subclass__(cls) -> None:
        cls._defaults = {name: vars(cls).get(name, _MISSING) for name in cls.__annotations__}
        cls._optional = frozenset(name for name, default in cls._defaults.items() if default is None)
        cls._readers = None

    def __init__(self, **members: Any) -> None:
        if len(members) != len(self._defaults):  # a type checker compares the names, and each search makes a thousand
            members = self._completed(members)
        object.__setattr__(self, "__dict__", members)

    @classmethod
    def _completed(cls, members: dict[str, Any]) -> dict[str, Any]:
        """Return members with the defaults of those that are missing. Raise TypeError."""
        values = cls._defaults | members
        if unknown := values.keys() - cls._defaults.keys():
            raise TypeError(f"{cls.__name__} has no {', '.join(unknown)}")
        if missing := [name for name, value in values.items() if value is _MISSING]:
            raise TypeError(f"{cls.__name__} needs {', '.join(missing)}")
        return values

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def json_members(self) -> dict[str, Any]:
        """Return what an answer holds of the record. It is not to be changed."""
        if not self._optional:
            return vars(self)
        return {name: value for name, value in vars(self).items() if value is not None or name not in self._optional}

    @classmethod
    def parse_json(cls, given: Any) -> Self:
        """Return the record that a decoded JSON object stands for. Raise ValueError that says what is wrong where."""
        if not isinstance(given, dict):
            raise ValueError(f"there is {_json_name(given)} in place of an object")  # noqa: TRY004 - as for a member
        if cls._readers is None:  # not before the first use: the daemon only makes records
            cls._readers = {name: _reader(annotation) for name, annotation in cls.__annotations__.items()}
        values = {}
        for name, read in cls._readers.items():
            try:
                values[name] = read(given[name])
            except KeyError as problem:
                if (default := cls._defaults[name]) is _MISSING and not isinstance(read, _Nullable):
                    raise ValueError(f'there is no "{name}"') from problem
                values[name] = None if default is _MISSING else default
            except ValueError as problem:
                raise ValueError(f"{name}: {problem}") from problem
        record = object.__new__(cls)
        object.__setattr__(record, "__dict__", values)
        return record

    @classmethod
    def optional_members(cls) -> frozenset[str]:
        """Return the members that are left out of an answer while they are None."""
        return cls._optional


class _Nullable:
    """Reads null, or a value as `read` does."""

    def __init__(self, read: _Reader) -> None:
        self._read = read

    def __call__(self, value: Any) -> Any:
        return None if value is None else self._read(value)


def _reader(annotation: Any) -> _Reader:
    """Return the function that checks and reads a value of this type. It raises ValueError."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _reader(annotation.__origin__)
    if origin in (Union, UnionType):
        (inner,) = (each for each in get_args(annotation) if each is not type(None))
        return _Nullable(_reader(inner))
    if origin is tuple:
        return _list_reader(_reader(get_args(annotation)[0]))
    if origin is Literal:  # a newer daemon may have more values
        return _kind_reader({str}, "a string")
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation.parse_json
    return _SCALARS.get(annotation, _SCALARS[dict])


def _list_reader(read: _Reader) -> _Reader:
    def read_list(value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"there is {_json_name(value)} in place of a list")  # noqa: TRY004
        return tuple(map(read, value))

    return read_list


def _kind_reader(kinds: set[type], name: str) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) in kinds:  # JSON has no subclasses, and true is no number
            return value
        raise ValueError(f"there is {_json_name(value)} in place of {name}")

    return read


_SCALARS: dict[Any, _Reader] = {
    str: _kind_reader({str}, "a string"),
    int: _kind_reader({int}, "a whole number"),
    float: _kind_reader({int, float}, "a number"),
    bool: _kind_reader({bool}, "true or false"),
    dict: _kind_reader({dict}, "an object"),
}


def _json_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
