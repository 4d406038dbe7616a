"""A worker without torch: a photo is its mean colour, a text is a colour's name.

It speaks the real protocol and decodes with the real decoder, so that everything but the model is real. Some file names
make it misbehave as hostile photos do: "crashes" ends the process, "never-ends" hangs it, "devours" takes memory;
"slow" takes a twentieth of a second. Beside a file "machine-is-short" it has no memory for any photo. $COLOURS is the
digest of its weights, for a test that wants others. The model "mirrored" has the same numbers in another order, and
"wide" has twice as many. Each photo that is embedded is noted in the file $FORWARD_PASSES, if there is one.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import math
import os
import signal
import socket
import sys
import threading
import time
from array import array
from typing import TYPE_CHECKING, Any

from phsearch.domain.types import Fingerprint, ModelIdentity, Preprocess
from phsearch.errors import UnreadableImageError
from phsearch.service.workers.frames import WorkerChannel
from phsearch.worker.stage_timer import StageTimer

if TYPE_CHECKING:
    from phsearch.adapters.images import PillowDecoder
    from phsearch.domain.types import Pixels
    from phsearch.worker.photo_reader import PhotoReader

PREPROCESS = Preprocess(32, 32, "squash", "bilinear")
COLOURS = {
    "red": (1, -1, -1),
    "green": (-1, 1, -1),
    "blue": (-1, -1, 1),
    "yellow": (1, 1, -1),
    "white": (1, 1, 1),
    "black": (-1, -1, -1),
}


def text_vector(text: str) -> array[float]:
    """Return the sum of the colours a text names, plus a constant so that "grey" has a direction, too."""
    named = [COLOURS[word] for word in text.lower().split() if word in COLOURS]
    return _unit(*(sum(channel) for channel in zip(*named, strict=True)) if named else (0, 0, 0))


def photo_vector(pixels: Pixels) -> array[float]:
    """Return the mean colour of [height, width, 3] uint8."""
    return _unit(*(pixels.mean(axis=(0, 1)) / 127.5 - 1))


def _unit(*colour: float) -> array[float]:
    """Return four float32. An array of the standard library: a query worker starts in a third of the time."""
    length = math.hypot(*colour, 0.1)
    return array("f", [value / length for value in (*colour, 0.1)])


def as_model(name: str, vector: array[float]) -> array[float]:
    """Return the vector of this model."""
    match name:
        case "mirrored":
            return vector[::-1]
        case "wide":
            return array("f", [value * math.sqrt(0.5) for value in (*vector, *vector)])
        case _:
            return vector


def main() -> None:
    """Serve until the daemon is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # As the real worker: one that is stopped when its daemon is killed must not go on when it is continued.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    channel = WorkerChannel(socket.socket(fileno=int(sys.argv[1])))
    frame = channel.receive_message()
    if frame is None:  # the daemon was killed
        return
    setup = frame[0]
    decoder = None
    if setup["tower"] != "text":
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads take a fifth of the start
        from phsearch.adapters.images import PillowDecoder  # noqa: PLC0415 - half of the start of a query worker

        gc.freeze()  # nothing of this is collected at the end
        decoder = PillowDecoder(int(setup.get("max_megapixels", 1) * 1_000_000))
    name = setup["name"]
    dim = len(as_model(name, text_vector("")))
    identity = ModelIdentity(name, "", os.environ.get("COLOURS", "colours"), "32", dim)
    ready = {"op": "ready", "identity": dataclasses.asdict(identity), "device": "cpu", "precision": "fp32"}
    channel.send_message({**ready, "multilingual": False, "pid": os.getpid(), "batch_size": 8})
    if decoder is None:
        while (frame := channel.receive_message()) is not None:
            vectors = b"".join(as_model(name, text_vector(text)).tobytes() for text in frame[0]["texts"])
            channel.send_message({"op": "embedded"}, vectors)
        return
    from phsearch.worker.photo_reader import PhotoReader  # noqa: PLC0415 - as above

    watch = StageTimer()
    roots, follow = setup.get("roots", ()), setup.get("follow_symlinks", True)
    reader = PhotoReader(roots=roots, decoder=decoder, preprocess=PREPROCESS, follow=follow)
    while (frame := channel.receive_message()) is not None:
        header = frame[0]
        if header.get("op") in ("look", "thumbnail"):
            _answer_one(channel, decoder, name, *frame)
            continue
        for path, size, mtime_ns in header["photos"]:
            _embed(channel, reader, name, path, Fingerprint(size, mtime_ns), watch)
        channel.send_message({"op": "done", "batch": header["batch"], "times": watch.take_sums()})


def _answer_one(
    channel: WorkerChannel, decoder: PillowDecoder, model: str, header: dict[str, Any], data: bytes
) -> None:
    """Answer as an on-demand worker does."""
    from phsearch.adapters.images import encode_image  # noqa: PLC0415 - see main

    misbehave(header["path"])
    try:
        if header["op"] == "look":
            pixels = decoder.decode_bytes(data, header["path"], PREPROCESS).pixels
            channel.send_message({"op": "looked"}, as_model(model, photo_vector(pixels)).tobytes())
            return
        within = Preprocess(header["width"], header["height"], "inside", "bicubic")
        pixels = decoder.decode_bytes(data, header["path"], within).pixels
        size = {"width": pixels.shape[1], "height": pixels.shape[0]}
        channel.send_message({"op": "picture", **size}, encode_image(pixels, header["format"]))
    except UnreadableImageError as error:
        channel.send_message({"op": "failed", "reason": str(error)})


def misbehave(path: str) -> None:
    """Do what the file's name asks for."""
    name = os.path.basename(path)
    if "crashes" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "never-ends" in name:
        threading.Event().wait()
    if "slow" in name:
        time.sleep(0.05)
    eaten = []
    while "devours" in name:
        # Touched, or it would not be taken; not faster than a machine can bear that runs other tests, too.
        eaten.append(bytearray(b"x") * (16 << 20))
        time.sleep(0.001)


def _embed(
    channel: WorkerChannel, reader: PhotoReader, model: str, path: str, expected: Fingerprint, watch: StageTimer
) -> None:
    from phsearch.worker.serve_batches import decode_photo  # noqa: PLC0415 - see main

    channel.send_message({"op": "begun", "path": path})
    misbehave(path)
    if os.path.exists(f"{os.path.dirname(path)}/machine-is-short"):
        channel.send_message({"op": "failed", "path": path, "reason": "no memory for a photo", "scope": "machine"})
        return
    with watch.timed("decoding"), watch.timed("waiting"):
        decoded = decode_photo(channel, reader, path, expected)
    if decoded is None:
        return
    photos = [{"path": path, "info": dataclasses.astuple(decoded.info)}]
    with watch.timed("model"):
        vectors = as_model(model, photo_vector(decoded.pixels)).tobytes()
    if passes := os.environ.get("FORWARD_PASSES"):
        with open(passes, "a", encoding="utf-8") as file:
            file.write(f"{model}\t{path}\n")
    watch.add_amount("decoded", 1)
    watch.add_amount("embedded", 1)
    channel.send_message({"op": "embedded", "photos": photos}, vectors)


if __name__ == "__main__":
    main()
