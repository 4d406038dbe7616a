"""A cache that drops what was not used for the longest time, bounded by a count or by the sum of sizes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_Key = TypeVar("_Key", bound="Hashable")
_Value = TypeVar("_Value")


def _one(_value: object) -> int:
    return 1


class LruCache(Generic[_Key, _Value]):
    """Key -> value; the sum of `size_of` its values is at most `capacity`. Without `size_of` each value counts one."""

    def __init__(self, capacity: int, size_of: Callable[[_Value], int] = _one) -> None:
        self._capacity = capacity
        self._size_of = size_of
        self._values: OrderedDict[_Key, _Value] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key and count that as a use; None if it is not here."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: _Key, value: _Value) -> None:
        """Add or replace a value, and drop the oldest ones until the rest fits."""
        self._drop(key)
        self._values[key] = value
        self._size += self._size_of(value)
        while self._size > self._capacity:
            self._drop(next(iter(self._values)))

    def _drop(self, key: _Key) -> None:
        if key in self._values:
            self._size -= self._size_of(self._values.pop(key))
