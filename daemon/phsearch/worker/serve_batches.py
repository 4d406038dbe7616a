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
from phsearch.domain.indexing.failure_kind import ReadFailure
from phsearch.domain.types import Fingerprint
from phsearch.errors import DecoderMemoryError, UnreadableImageError
from phsearch.service.workers.frames import vectors_to_bytes
from phsearch.worker.photo_reader import PhotoReader
from phsearch.worker.report import enter_sandbox_and_report
from phsearch.worker.stage_timer import StageTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.ports import Decoded, ImageTower
    from phsearch.domain.types import Pixels
    from phsearch.service.workers.command import WorkerSetup
    from phsearch.service.workers.frames import WorkerChannel


_SMALL_PHOTO = 64 << 20
"""Bytes."""


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
            decoded = decode_photo(channel, reader, photo.path, photo.fingerprint)
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


def decode_photo(channel: WorkerChannel, reader: PhotoReader, path: str, fingerprint: Fingerprint) -> Decoded | None:
    """Return the decoded photo, None where the daemon was told why there is none."""
    channel.send_message({"op": "begun", "path": path})
    try:
        decoded = reader.read(path, fingerprint)
    except DecoderMemoryError as error:
        _fail(channel, path, ReadFailure(str(error), "file" if _has_memory() else "machine"))
    except (UnreadableImageError, OSError) as error:
        if isinstance(error, PermissionError) and reader.root_replaced(path):
            channel.send_message({"op": "outdated"})
        else:
            _fail(channel, path, ReadFailure.of(error))
    else:
        channel.send_message({"op": "changed" if decoded is None else "decoded", "path": path})
        return decoded
    return None


def _has_memory() -> bool:
    """Whether there is memory for a small photo, so that one that got none asked for too much."""
    try:
        return len(bytearray(_SMALL_PHOTO)) > 0
    except MemoryError:
        return False


def _fail(channel: WorkerChannel, path: str, failure: ReadFailure) -> None:
    channel.send_message({"op": "failed", "path": path, "reason": failure.reason, "scope": failure.scope})


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
            photo, decoded = ready[0]
            reason = f"the model cannot take it: {' '.join(str(error).split())[:160]}"
            _fail(
                channel,
                photo.path,
                ReadFailure(reason, "content" if _works(tower, decoded.pixels) else "machine"),
            )
        return
    usable = [bool(np.isfinite(vector).all()) for vector in vectors]
    for (photo, _), is_usable in zip(ready, usable, strict=True):
        if not is_usable:
            _fail(channel, photo.path, ReadFailure("the model gave no usable vector", "content"))
    photos = [
        {"path": photo.path, "info": dataclasses.astuple(decoded.info)}
        for (photo, decoded), is_usable in zip(ready, usable, strict=True)
        if is_usable
    ]
    channel.send_message({"op": "embedded", "photos": photos}, vectors_to_bytes(vectors[usable]))


def _works(tower: ImageTower, pixels: Pixels) -> bool:
    """Whether the model takes a black picture of this size. If not, no photo is to blame."""
    try:
        tower.embed([np.zeros_like(pixels)])
    except (RuntimeError, MemoryError):
        return False
    return True
