"""The index worker: embeds batches of photos, which it reads from the photo folders.

It decodes ahead on several threads while the model works, so that neither waits for the other. It reports the begin
and the end of each decoding: when a decoder takes the process down, the daemon knows which photos to suspect.

It may read the photo folders that were online when it entered its sandbox, and reports when another is online now.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Fingerprint
from phsearch.errors import TruncatedImageError, UnreadableImageError
from phsearch.service.workers.frames import vectors_to_bytes
from phsearch.worker.photo_reader import PhotoReader
from phsearch.worker.report import enter_sandbox_and_report
from phsearch.worker.stage_timer import StageTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.ports import Decoded, ImageTower
    from phsearch.service.workers.command import WorkerSetup
    from phsearch.service.workers.frames import WorkerChannel


class _Photo:
    """One photo of a batch."""

    def __init__(self, path: str, fingerprint: Fingerprint) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.decoded: Future[Decoded | None] = Future()


_Batches = queue.SimpleQueue[tuple[int, list[_Photo]]]


def serve(channel: WorkerChannel, setup: WorkerSetup, tower: ImageTower) -> None:
    """Embed each batch, until the daemon is gone."""
    preprocess = tower.info.preprocess
    decoder = PillowDecoder(int(setup.max_megapixels * 1_000_000))
    follow = setup.follow_symlinks
    reader = PhotoReader(roots=setup.roots, decoder=decoder, preprocess=preprocess, follow=follow)
    enter_sandbox_and_report(channel, tower, None if follow else setup.roots, batch_size=tower.batch_size)
    batches: _Batches = queue.SimpleQueue()
    timer = StageTimer()

    def decode(photo: _Photo) -> Decoded | None:
        with timer.timed_thread("decoding", "processor"):
            decoded = _decode(channel, reader, photo)
        timer.add_amount("decoded", 1)
        return decoded

    with ThreadPoolExecutor(setup.decode_threads or os.cpu_count() or 1, "decode") as pool:
        threading.Thread(
            target=_read_batches, args=(channel, decode, pool, batches), name="batches", daemon=True
        ).start()
        while True:
            number, photos = batches.get()
            with timer.timed("waiting"):
                ready = [(photo, decoded) for photo in photos if (decoded := photo.decoded.result()) is not None]
            with timer.timed("model"):
                _embed(channel, tower, ready)
            timer.add_amount("embedded", len(ready))
            channel.send_message({"op": "done", "batch": number, "times": timer.take_sums()})


def _read_batches(
    channel: WorkerChannel, decode: Callable[[_Photo], Decoded | None], pool: ThreadPoolExecutor, batches: _Batches
) -> None:
    while (frame := channel.receive_message()) is not None:
        header = frame[0]
        photos = [_Photo(path, Fingerprint(size, mtime_ns)) for path, size, mtime_ns in header["photos"]]
        for photo in photos:
            photo.decoded = pool.submit(decode, photo)
        batches.put((header["batch"], photos))
    # The daemon is gone or wants this worker to end: the photos that are still being decoded are no longer needed.
    os._exit(0)


def _decode(channel: WorkerChannel, reader: PhotoReader, photo: _Photo) -> Decoded | None:
    channel.send_message({"op": "begun", "path": photo.path})
    try:
        decoded = reader.read(photo.path, photo.fingerprint)
    except PermissionError as error:
        if reader.root_replaced(photo.path):
            channel.send_message({"op": "outdated"})
        else:
            _fail(channel, photo.path, _os_reason(error))
    except UnreadableImageError as error:
        _fail(channel, photo.path, error.sentence(), truncated=isinstance(error, TruncatedImageError))
    except OSError as error:
        _fail(channel, photo.path, _os_reason(error))
    except MemoryError:
        _fail(channel, photo.path, "not enough memory to decode")
    else:
        channel.send_message({"op": "changed" if decoded is None else "decoded", "path": photo.path})
        return decoded
    return None


def _os_reason(error: OSError) -> str:
    return error.strerror or "cannot be read"


def _fail(channel: WorkerChannel, path: str, reason: str, *, truncated: bool = False) -> None:
    channel.send_message({"op": "failed", "path": path, "reason": reason, "truncated": truncated})


def _embed(channel: WorkerChannel, tower: ImageTower, ready: list[tuple[_Photo, Decoded]]) -> None:
    """Embed a batch. If the model rejects it, embed each photo alone, so that one photo does not fail the others."""
    if not ready:
        return
    try:
        vectors = tower.embed([decoded.pixels for _, decoded in ready])
    except (RuntimeError, MemoryError) as error:
        if len(ready) > 1:
            for one in ready:
                _embed(channel, tower, [one])
        else:
            _fail(channel, ready[0][0].path, f"the model cannot take it: {' '.join(str(error).split())[:160]}")
        return
    usable = [bool(np.isfinite(vector).all()) for vector in vectors]
    for (photo, _), is_usable in zip(ready, usable, strict=True):
        if not is_usable:
            _fail(channel, photo.path, "the model gave no usable vector")
    photos = [
        {"path": photo.path, "info": dataclasses.astuple(decoded.info)}
        for (photo, decoded), is_usable in zip(ready, usable, strict=True)
        if is_usable
    ]
    channel.send_message({"op": "embedded", "photos": photos}, vectors_to_bytes(vectors[usable]))
