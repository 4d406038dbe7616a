"""Invalid requests from seeds: random bytes, broken JSON, wrong types, odd text, split and joined at random."""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import time
from typing import TYPE_CHECKING, Any

from phsearch.wire.methods import METHODS
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TEXTS = [
    "",
    " ",
    "red",
    "\0",
    "\ud800",
    "\udcff",
    "é" * 400,
    "x" * 5000,
    "海滩",
    "\x1b[31m",
    "\u202e",
    "../" * 50,
    "%s%n",
]
_PATHS = [
    "/",
    "//",
    "/etc/passwd",
    "/proc/self/mem",
    "relative",
    "a/../../b",
    "/" + "x/" * 600,
    "/\udcff",
    "~",
    "/dev/zero",
]
_NUMBERS = [0, 1, -1, 20, 2**31, 2**63, 2**64, -(2**70), 0.5, 1e308, -0.0]
_ENOUGH = 0.4
"""The share of connections that wait for their answers; the others close at any moment."""


class Fuzzer:
    """Makes requests; the same seed makes the same requests."""

    def __init__(self, seed: int, root: Path) -> None:
        self.random = random.Random(seed)
        self._paths = [*_PATHS, str(root), f"{root}/red.png", f"{root}/../x", f"{root}/nothing/here.jpg"]

    def request(self) -> bytes:
        """Return one line, or bytes in place of one."""
        chance = self.random
        match chance.randrange(10):
            case 0:
                return chance.randbytes(chance.randrange(1, 300)).replace(b"\n", b"") + b"\n"
            case 1:
                return self._deep()
            case 2 | 3:
                return self._mutated(self._valid())
            case 4:
                return json.dumps(self._any(3)).encode() + b"\n"
            case _:
                return self._valid()

    def _valid(self) -> bytes:
        """Return an envelope that is mostly valid, with parameters that are sometimes valid."""
        chance = self.random
        name = chance.choice([*METHODS, *METHODS, "reboot", "", "search\0"])
        # Verifying reads photos, and a sync waits: both are slow by design.
        method = METHODS.get(name if name != "library.verify" else "status")
        names = [param.name for param in method.params if param.name != "sync"] if method else []
        params = {
            each: self._value(each) for each in [*names, "bogus"] if chance.random() < (0.8 if each in names else 0.05)
        }
        request: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": chance.choice([1, "a", None, 1.5, {}, []]),
            "method": name,
            "params": params,
        }
        if name == "library.verify":
            request["params"] = {"sample": chance.choice([0, -1, "all"])}
        if chance.random() < 0.1:
            del request[chance.choice(list(request))]
        if chance.random() < 0.1:
            request[chance.choice(list(request))] = self._any(2)
        return json.dumps(request, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass") + b"\n"

    def _value(self, name: str) -> Any:
        chance = self.random
        if chance.random() < 0.15:
            return self._any(2)
        if name in {"path", "root"}:
            return chance.choice(self._paths)
        return chance.choice(_TEXTS) if name == "query" else chance.choice(_NUMBERS)

    def _any(self, depth: int) -> Any:
        chance = self.random
        match chance.randrange(6 if depth else 4):
            case 0:
                return chance.choice(_TEXTS)
            case 1:
                return chance.choice(_NUMBERS)
            case 2:
                return chance.choice([True, False, None])
            case 3:
                return chance.choice([*self._paths, "x" * 100_000])
            case 4:
                return [self._any(depth - 1) for _ in range(chance.randrange(4))]
        return {chance.choice(_TEXTS): self._any(depth - 1) for _ in range(chance.randrange(4))}

    def _deep(self) -> bytes:
        depth = self.random.choice([10, 1000, 100_000])
        return self.random.choice([b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth]) + b"\n"

    def _mutated(self, line: bytes) -> bytes:
        data = bytearray(line[:-1])
        for _ in range(self.random.randrange(1, 5)):
            at = self.random.randrange(len(data) + 1)
            match self.random.randrange(3):
                case 0:
                    data[at:at] = self.random.randbytes(self.random.randrange(1, 8))
                case 1:
                    del data[at : at + self.random.randrange(1, 8)]
                case _:
                    data[at : at + 1] = self.random.randbytes(1)
        return bytes(data) + self.random.choice([b"\n", b"\n", b"\r\n"])


def conversation(fuzzer: Fuzzer, path: Path) -> tuple[int, int]:
    """Send requests over a new connection; return the numbers of requests and answers."""
    chance = fuzzer.random
    requests = [fuzzer.request() for _ in range(chance.randrange(1, 40))]
    stream = b"".join(requests)
    leaves = chance.random() > _ENOUGH
    if leaves:
        stream = stream[: chance.randrange(len(stream) + 1)]
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(scaled(60))
        raw.connect(str(path))
        heard = _exchanged(raw, _pieces(stream, chance), stay=not leaves)
    whole = heard[: heard.rfind(b"\n") + 1].splitlines()
    for line in whole:
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0", message
        assert "Traceback" not in line.decode()
        assert message.get("error", {}).get("data", {}).get("type") != "InternalError", message
    return len(requests), len(whole)


def _exchanged(raw: socket.socket, pieces: Iterator[bytes], *, stay: bool) -> bytes:
    """Send and read at the same time: otherwise each side would wait for the other to read."""
    heard = b""
    left = next(pieces, b"")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while left or stay:
            readable, writable, _ = select.select([raw], [raw] if left else [], [], 60)
            assert readable or writable, f"nothing happens after {heard[-300:]!r}"
            if readable:
                if not (chunk := raw.recv(1 << 20)):
                    break
                heard += chunk
            if writable:
                left = left[raw.send(left, socket.MSG_DONTWAIT) :] or next(pieces, b"")
                if not left and stay:
                    raw.shutdown(socket.SHUT_WR)
    return heard


def _pieces(stream: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(stream):
        size = chance.choice([1, 10, 1000, 30_000, 30_000])
        yield stream[at : at + size]
        at += size
        if chance.random() < 0.02:
            time.sleep(0.001)
