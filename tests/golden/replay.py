"""Golden transcripts: what a daemon of protocol 1 was once told, and what it said.

A later daemon must say at least that: every member that was recorded is there, of the same type and, where it is no
accident of the day, with the same value. New members may come. `compare` finds what is missing or different.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from golden.library import EVENT
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.harness import Daemon

TRANSCRIPT = Path(__file__).with_name("protocol-1.jsonl")
PHOTOS = "PHOTOS"
"""Stands for the folder of the day."""

ACCIDENTS = frozenset(
    {
        "notices",
        "version",
        "pid",
        "uptime",
        "rate",
        "eta",
        "took_ms",
        "last_seen",
        "failed_at",
        "indexed_at",
        "mtime",
        "since",
    }
    | {"overflows", "watched", "image_worker"}
)
"""Members whose value depends on the day; null or a number, say, is then the same."""

WORDS = frozenset({"message", "hint", "text", "detail", "reason", "summary", "title", "description"})
"""Members for people to read: their wording may change."""


def record(daemon: Daemon, request: str) -> dict[str, Any]:
    """Send one line and return the line of the transcript. A subscription is recorded with the event of a new photo."""
    said = request.replace(PHOTOS, str(daemon.photos))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(scaled(30))
        connection.connect(str(daemon.socket))
        connection.sendall(said.encode("utf-8", "surrogateescape") + b"\n")
        lines = connection.makefile("rb")
        found: dict[str, Any] = {"request": request, "answer": _line(lines, daemon)}
        if found["answer"].get("result", {}).get("subscribed"):
            Image.new("RGB", (64, 48), "white").save(daemon.photos / EVENT)
            while (event := _line(lines, daemon))["params"]["path"] != f"{PHOTOS}/{EVENT}":
                pass
            found["event"] = event
        return found


def _line(lines: BinaryIO, daemon: Daemon) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(lines.readline().decode().replace(str(daemon.photos), PHOTOS))
    return line


def compare(recorded: Any, now: Any, where: str = "answer") -> Iterator[str]:
    """Return what an old client would miss, in words."""
    name = where.rpartition(".")[2]
    match recorded, now:
        case _ if name in ACCIDENTS and (recorded is None or now is None):
            return
        case dict(), dict():
            for key in recorded:
                if key in now:
                    yield from compare(recorded[key], now[key], f"{where}.{key}")
                else:
                    yield f"{where}.{key} is gone"
        case list(), list():
            yield from _compare_lists(recorded, now, where)
        case _ if _kind(recorded) != _kind(now):
            yield f"{where} is {_kind(now)}, was {_kind(recorded)}"
        case _ if recorded != now and name not in ACCIDENTS | WORDS:
            yield f"{where} is {now!r}, was {recorded!r}"


def _compare_lists(recorded: list[Any], now: list[Any], where: str) -> Iterator[str]:
    if where.rpartition(".")[2] in ACCIDENTS:
        return
    if recorded and all(isinstance(each, dict) and "name" in each for each in recorded):
        yield from _compare_named(recorded, now, where)
    elif len(recorded) != len(now):
        yield f"{where} has {len(now)} entries, was {len(recorded)}"
    else:
        for number, (was, each) in enumerate(zip(recorded, now, strict=True)):
            yield from compare(was, each, f"{where}[{number}]")


def _compare_named(recorded: list[dict[str, Any]], now: list[dict[str, Any]], where: str) -> Iterator[str]:
    """Methods and parameters: there may be more, but what is new must not be required."""
    by_name = {each["name"]: each for each in now}
    for was in recorded:
        if was["name"] in by_name:
            yield from compare(was, by_name[was["name"]], f"{where}[{was['name']}]")
        else:
            yield f"{where}[{was['name']}] is gone"
    for name in by_name.keys() - {was["name"] for was in recorded}:
        if by_name[name].get("required"):
            yield f"{where}[{name}] is new and required"


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case None:
            return "null"
        case _:
            return "a string" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"
