"""A worker whose decoder was taken over: it works until the name of a photo contains "lies", and then sends nonsense.

Its set-up chooses the nonsense by a name below.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from phsearch.adapters.images import encode_image
from phsearch.domain.types import ModelIdentity
from phsearch.service.workers.frames import WorkerChannel, encode, vectors_to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

VECTOR = np.array([[1, 0, 0, 0]], np.float32)
LIES: Mapping[str, bytes] = {
    "no JSON": struct.pack("<II", 5, 0) + b"{{{{{",
    "deep JSON": struct.pack("<II", 100_000, 0) + b"[" * 100_000,
    "a list": struct.pack("<II", 2, 0) + b"[]",
    "four gigabytes": struct.pack("<II", 5, 0xFFFFFFF0) + bytes(1 << 20),
    "no header": encode({}),
    "no reason": encode({"op": "failed"}),
    "reason of numbers": encode({"op": "failed", "reason": 7}),
    "bytes of a vector": encode({"op": "looked"}, b"123"),
    "no vector": encode({"op": "looked"}),
    "long vector": encode({"op": "looked"}, vectors_to_bytes(np.full((1, 100), 0.1, np.float32))),
    "huge vector": encode({"op": "looked"}, vectors_to_bytes(VECTOR * 1e6)),
    "nan": encode({"op": "looked"}, vectors_to_bytes(VECTOR * np.nan)),
    "no size": encode({"op": "picture"}, b"x"),
    "size in words": encode({"op": "picture", "width": "8", "height": None}, b"x"),
    "too wide": encode({"op": "picture", "width": 9999, "height": 8}, b"x"),
    "orders to a terminal": encode({"op": "picture", "width": 8, "height": 8}, b"\x1b]52;c;ZXZpbA==\x07"),
    "orders in a sixel": encode({"op": "picture", "width": 8, "height": 8}, b"\x1bP0;1;0q~\x1b]0;x\x07\x1b\\"),
    "orders behind a sixel": encode({"op": "picture", "width": 8, "height": 8}, b"\x1bP0;1;0q~\x1b\\\x1b[2J"),
    "line behind a sixel": encode({"op": "picture", "width": 8, "height": 8}, b"\x1bP0;1;0q~\x1b\\\n"),
    "never small": encode({"op": "picture", "width": 1, "height": 1}, b"\x1bP0;1;0q" + b"~" * (1 << 20) + b"\x1b\\"),
}


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    channel = WorkerChannel(connection)
    first = channel.receive_message()
    assert first is not None
    identity = dataclasses.asdict(ModelIdentity("mini", "", "colours", "32", 4))
    about: dict[str, Any] = {"device": "cpu", "precision": "", "multilingual": False, "pid": os.getpid()}
    channel.send_message({"op": "ready", "identity": identity, **about})
    while (frame := channel.receive_message()) is not None:
        if "lies" in frame[0]["path"]:
            connection.sendall(LIES[first[0]["folder"]])
        elif frame[0]["op"] == "look":
            channel.send_message({"op": "looked"}, vectors_to_bytes(VECTOR))
        else:
            picture = encode_image(np.asarray(Image.new("RGB", (8, 8), "red")), frame[0]["format"])
            channel.send_message({"op": "picture", "width": 8, "height": 8}, picture)


if __name__ == "__main__":
    main()
