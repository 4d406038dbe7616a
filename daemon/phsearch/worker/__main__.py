"""The composition root of a tower worker: `python -m phsearch.worker FD`, started by the daemon, never by a person.

A worker holds one tower, or none to make small pictures, and talks frames over the socket pair it inherits as FD. Its
first frame is the set-up, its first answer "ready" with what the model is, or "unavailable" with why there is none. It
ends when the daemon does.

The index worker decodes ahead in threads while the model works, so that neither waits for the other, and says when it
begins to decode each photo and when it has: if a decoder takes the process down, the daemon knows whom to suspect.

Once the tower has run, and before the first photo or text comes, a worker is confined for good: see
`adapters.sandbox`. It may then read the photo folders that were there, and says when one has come since.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import queue
import signal
import socket
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from phsearch.adapters.linux.process_limits import set_lowest_ioprio
from phsearch.adapters.sandbox import enter_sandbox
from phsearch.domain.types import Fingerprint, ModelIdentity, Preprocess
from phsearch.errors import ModelUnavailableError, TruncatedImageError, UnreadableImageError
from phsearch.service.workers.frames import WorkerChannel, vectors_to_bytes
from phsearch.worker.photo_reader import PhotoReader
from phsearch.worker.stage_timer import StageTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.adapters.clip import LoadedTower, OpenClipImageTower, OpenClipTextTower
    from phsearch.domain.ports import Decoded

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve one tower until the daemon closes the connection."""
    # Ctrl-C and systemd's SIGTERM reach the whole group; the daemon ends us when our batch is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A worker caught in a native decoder cannot notice that the daemon was killed; the kernel can.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = WorkerChannel(socket.socket(fileno=int(sys.argv[1])))
    frame = channel.receive_message()
    if frame is None:
        return
    setup = frame[0]
    try:
        _serve(channel, setup)
    except ModelUnavailableError as error:
        channel.send_message({"op": "unavailable", "reason": str(error), "hint": error.hint})
    except BrokenPipeError:
        return


def _serve(channel: WorkerChannel, setup: dict[str, Any]) -> None:
    if setup["tower"] == "picture":
        _serve_thumbnails(channel, setup)
        return
    _limit_threads(setup)
    # Offline until the loader finds that weights are missing: nothing here needs a hub to be asked first.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from phsearch.adapters import clip  # noqa: PLC0415 - seconds of torch, and after the environment is set

    try:
        text = setup["tower"] == "text"
        bundle = clip.load_tower(setup["name"], setup["pretrained"], "text" if text else "image")
        match setup["tower"]:
            case "image":
                # Explicitly: what the unit or a shell gave the daemon would come before what `nice` implies.
                set_lowest_ioprio()
                image_tower = clip.OpenClipImageTower(
                    bundle,
                    device=setup["device"],
                    precision=setup["precision"],
                    batch_size=setup["batch_size"],
                    gpu_memory_mb=setup["gpu_memory_mb"],
                )
                _serve_images(channel, setup, bundle, image_tower)
            case "like":
                image_tower = clip.OpenClipImageTower(
                    bundle, device=setup["device"], precision=setup["precision"], batch_size=1
                )
                _serve_image_queries(channel, setup, bundle, image_tower)
            case _:
                text_worker = clip.OpenClipTextTower(bundle, device=setup["device"], precision=setup["precision"])
                text_worker.embed(["a photo"])
                channel.send_message(_ready(bundle, text_worker, enter_sandbox((), device=_on_device(text_worker))))
                while (frame := channel.receive_message()) is not None:
                    channel.send_message({"op": "embedded"}, vectors_to_bytes(text_worker.embed(frame[0]["texts"])))
    except (RuntimeError, AssertionError) as error:
        # What torch raises for a device that is not there or a precision it has no kernels for.
        raise ModelUnavailableError(
            f'model "{setup["name"]}" does not run on {setup["device"]} with {setup["precision"]} precision '
            f"({' '.join(str(error).split())[:160]})",
            'set model.device and model.precision to "auto"',
        ) from error


def _limit_threads(setup: dict[str, Any]) -> None:
    import torch  # noqa: PLC0415 - see _serve

    if setup["torch_threads"]:
        torch.set_num_threads(setup["torch_threads"])


def _on_device(tower: OpenClipImageTower | OpenClipTextTower) -> bool:
    return not str(tower.device).startswith("cpu")


def _ready(bundle: LoadedTower, tower: OpenClipImageTower | OpenClipTextTower, sandbox: str) -> dict[str, Any]:
    return {
        "op": "ready",
        "identity": dataclasses.asdict(bundle.identity),
        "device": str(tower.device),
        "precision": tower.precision,
        "device_choice": dataclasses.asdict(tower.device_choice),
        "source": bundle.source,
        "multilingual": bundle.multilingual,
        "logit_scale": bundle.logit_scale,
        "pid": os.getpid(),
        "sandbox": sandbox,
    }


class _Photo:
    """One photo of a batch on its way through the worker."""

    def __init__(self, path: str, fingerprint: Fingerprint) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.decoded: Future[Decoded | None] = Future()


def _serve_images(
    channel: WorkerChannel, setup: dict[str, Any], bundle: LoadedTower, tower: OpenClipImageTower
) -> None:
    from phsearch.adapters.images import PillowDecoder  # noqa: PLC0415 - the text worker never decodes

    preprocess = bundle.preprocess
    decoder = PillowDecoder(int(setup["max_megapixels"] * 1_000_000))
    threads = setup["decode_threads"] or os.cpu_count() or 1
    # What a device's driver or a kernel's compiler opens, it opens now.
    tower.embed([np.zeros((preprocess.height, preprocess.width, 3), np.uint8)])
    follow = setup["follow_symlinks"]
    reader = PhotoReader(setup["roots"], decoder, preprocess, follow=follow)
    sandbox = enter_sandbox(None if follow else setup["roots"], device=_on_device(tower))
    channel.send_message(_ready(bundle, tower, sandbox) | {"batch_size": tower.batch_size})
    batches: queue.SimpleQueue[tuple[int, list[_Photo]] | None] = queue.SimpleQueue()
    watch = StageTimer()

    def decode(photo: _Photo) -> Decoded | None:
        with watch.timed("decoding"):
            decoded = _decode(channel, reader, photo)
        watch.add_amount("decoded", 1)
        return decoded

    with ThreadPoolExecutor(threads, "decode") as pool:
        receiver = threading.Thread(
            target=_read_batches, args=(channel, decode, pool, batches), name="batches", daemon=True
        )
        receiver.start()
        while (batch := batches.get()) is not None:
            number, photos = batch
            with watch.timed("waiting"):
                ready = [(photo, decoded) for photo in photos if (decoded := photo.decoded.result()) is not None]
            with watch.timed("model"):
                _embed(channel, tower, ready)
            watch.add_amount("embedded", len(ready))
            channel.send_message({"op": "done", "batch": number, "times": watch.take_sums()})


def _serve_image_queries(
    channel: WorkerChannel, setup: dict[str, Any], bundle: LoadedTower, tower: OpenClipImageTower
) -> None:
    """Understand one photo at a time, which comes as bytes: this worker may read no photo folder."""
    from phsearch.adapters.images import PillowDecoder  # noqa: PLC0415 - see _serve_images

    preprocess = bundle.preprocess
    decoder = PillowDecoder(int(setup["max_megapixels"] * 1_000_000))
    tower.embed([np.zeros((preprocess.height, preprocess.width, 3), np.uint8)])
    channel.send_message(_ready(bundle, tower, enter_sandbox((), device=_on_device(tower))))

    def look(header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        vectors = tower.embed([decoder.decode_bytes(data, header["path"], preprocess).pixels])
        if not np.isfinite(vectors).all():
            raise UnreadableImageError("the model gave no usable vector")
        return {"op": "looked"}, vectors_to_bytes(vectors)

    _answer_each(channel, look)


def _serve_thumbnails(channel: WorkerChannel, setup: dict[str, Any]) -> None:
    """Make small pictures of photos, which come as bytes; needs no model, so its identity names none."""
    from phsearch.adapters.images import PillowDecoder, encode_image  # noqa: PLC0415 - see _serve_images

    decoder = PillowDecoder(int(setup["max_megapixels"] * 1_000_000))
    identity = ModelIdentity(name="", pretrained="", weights="", preprocess="", dim=0)
    about = {"device": "cpu", "precision": "", "multilingual": False, "pid": os.getpid()}
    sandbox = enter_sandbox((), device=False)
    channel.send_message({"op": "ready", "identity": dataclasses.asdict(identity), **about, "sandbox": sandbox})

    def picture(header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        within = Preprocess(header["width"], header["height"], "inside", "bicubic")
        pixels = decoder.decode_bytes(data, header["path"], within).pixels
        size = {"width": pixels.shape[1], "height": pixels.shape[0]}
        return {"op": "picture", **size}, encode_image(pixels, header["format"])

    _answer_each(channel, picture)


def _answer_each(
    channel: WorkerChannel, answer: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]
) -> None:
    """Answer every frame until the daemon is gone, with the reason where a photo cannot be decoded."""
    while (frame := channel.receive_message()) is not None:
        try:
            channel.send_message(*answer(*frame))
        except UnreadableImageError as error:
            channel.send_message({"op": "failed", "reason": error.sentence()})
        except (RuntimeError, MemoryError) as error:
            reason = " ".join(str(error).split())[:160] or "not enough memory to decode"
            channel.send_message({"op": "failed", "reason": reason})


def _read_batches(
    channel: WorkerChannel,
    decode: Callable[[_Photo], Decoded | None],
    pool: ThreadPoolExecutor,
    batches: queue.SimpleQueue[tuple[int, list[_Photo]] | None],
) -> None:
    while (frame := channel.receive_message()) is not None:
        header = frame[0]
        photos = [_Photo(path, Fingerprint(size, mtime_ns)) for path, size, mtime_ns in header["photos"]]
        for photo in photos:
            photo.decoded = pool.submit(decode, photo)
        batches.put((header["batch"], photos))
    # The daemon is gone or wants us gone: what is still being decoded is of no use to anybody.
    os._exit(0)


def _decode(channel: WorkerChannel, reader: PhotoReader, photo: _Photo) -> Decoded | None:
    channel.send_message({"op": "begun", "path": photo.path})
    try:
        decoded = reader.read(photo.path, photo.fingerprint)
        if decoded is None:
            channel.send_message({"op": "changed", "path": photo.path})
            return None
    except PermissionError as error:
        if reader.root_replaced(photo.path):
            channel.send_message({"op": "outdated"})
        else:
            channel.send_message({"op": "failed", "path": photo.path, "reason": _clause(error), "truncated": False})
    except TruncatedImageError as error:
        channel.send_message({"op": "failed", "path": photo.path, "reason": error.sentence(), "truncated": True})
    except UnreadableImageError as error:
        channel.send_message({"op": "failed", "path": photo.path, "reason": error.sentence(), "truncated": False})
    except OSError as error:
        channel.send_message({"op": "failed", "path": photo.path, "reason": _clause(error), "truncated": False})
    except MemoryError:
        channel.send_message(
            {"op": "failed", "path": photo.path, "reason": "not enough memory to decode", "truncated": False}
        )
    else:
        channel.send_message({"op": "decoded", "path": photo.path})
        return decoded
    return None


def _clause(error: OSError) -> str:
    return error.strerror or "cannot be read"


def _embed(channel: WorkerChannel, tower: OpenClipImageTower, ready: list[tuple[_Photo, Decoded]]) -> None:
    """Embed a batch; if the model refuses it, each photo alone, so that one does not take the others with it."""
    if not ready:
        return
    try:
        vectors = tower.embed([decoded.pixels for _, decoded in ready])
    except (RuntimeError, MemoryError) as error:
        if len(ready) > 1:
            for one in ready:
                _embed(channel, tower, [one])
            return
        reason = f"the model cannot take it: {' '.join(str(error).split())[:160]}"
        channel.send_message({"op": "failed", "path": ready[0][0].path, "reason": reason, "truncated": False})
        return
    good = [bool(np.isfinite(vector).all()) for vector in vectors]
    for (photo, _), fine in zip(ready, good, strict=True):
        if not fine:
            reason = "the model gave no usable vector"
            channel.send_message({"op": "failed", "path": photo.path, "reason": reason, "truncated": False})
    photos = [
        {"path": photo.path, "info": dataclasses.astuple(decoded.info)}
        for (photo, decoded), fine in zip(ready, good, strict=True)
        if fine
    ]
    channel.send_message({"op": "embedded", "photos": photos}, vectors_to_bytes(vectors[good]))


if __name__ == "__main__":
    main()
