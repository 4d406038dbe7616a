"""One line of a diagnosis, and how to make one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckState = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """A judgement. `remedy` is what to type or to do next; only a check that is ok may have none."""

    name: str
    state: CheckState
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.state != "ok" and not self.remedy:
            raise ValueError(f"{self.name} names no remedy")


def ok(name: str, text: str) -> Check:
    """Return a check of something that is well."""
    return Check(name, "ok", text)


def warn(name: str, text: str, remedy: str) -> Check:
    """Return a check of something that works, but not as well as it could."""
    return Check(name, "warn", text, remedy)


def fail(name: str, text: str, remedy: str) -> Check:
    """Return a check of something that does not work, or that is open to other users."""
    return Check(name, "fail", text, remedy)


def plural(count: int, thing: str) -> str:
    """Return a count in words: "1 photo", "12,345 photos"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
