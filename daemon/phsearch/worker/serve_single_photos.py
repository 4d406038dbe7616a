"""The workers that handle one photo at a time, which comes as bytes: they may read no photo folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.images import PillowDecoder, encode_image
from phsearch.adapters.sandbox import enter_sandbox
from phsearch.domain.types import ModelIdentity, Preprocess
from phsearch.errors import UnreadableImageError
from phsearch.service.workers.command import WorkerInfo
from phsearch.service.workers.frames import vectors_to_bytes
from phsearch.worker.report import enter_sandbox_and_report, send_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.ports import ImageTower
    from phsearch.service.workers.command import WorkerSetup
    from phsearch.service.workers.frames import Header, WorkerChannel


def serve_image_queries(channel: WorkerChannel, setup: WorkerSetup, tower: ImageTower) -> None:
    """Embed the photo of each frame, until the daemon is gone."""
    preprocess = tower.info.preprocess
    decoder = _decoder(setup)
    enter_sandbox_and_report(channel, tower)

    def embed(header: Header, data: bytes) -> tuple[Header, bytes]:
        vectors = tower.embed([decoder.decode_bytes(data, header["path"], preprocess).pixels])
        if not np.isfinite(vectors).all():
            raise UnreadableImageError("the model gave no usable vector")
        return {"op": "looked"}, vectors_to_bytes(vectors)

    _answer_each(channel, embed)


def serve_thumbnails(channel: WorkerChannel, setup: WorkerSetup) -> None:
    """Make a thumbnail of the photo of each frame, until the daemon is gone. Needs no model."""
    decoder = _decoder(setup)
    identity = ModelIdentity(name="", pretrained="", weights="", preprocess="", dim=0)
    sandbox = enter_sandbox((), device=False)
    send_report(
        channel,
        WorkerInfo(identity=identity, device="cpu", precision="", multilingual=False, pid=os.getpid(), sandbox=sandbox),
    )

    def make_thumbnail(header: Header, data: bytes) -> tuple[Header, bytes]:
        within = Preprocess(header["width"], header["height"], "inside", "bicubic")
        pixels = decoder.decode_bytes(data, header["path"], within).pixels
        size = {"width": pixels.shape[1], "height": pixels.shape[0]}
        return {"op": "picture", **size}, encode_image(pixels, header["format"])

    _answer_each(channel, make_thumbnail)


def _decoder(setup: WorkerSetup) -> PillowDecoder:
    return PillowDecoder(int(setup.max_megapixels * 1_000_000))


def _answer_each(channel: WorkerChannel, answer: Callable[[Header, bytes], tuple[Header, bytes]]) -> None:
    """Answer every frame until the daemon is gone, with the reason where a photo cannot be decoded."""
    while (frame := channel.receive_message()) is not None:
        try:
            channel.send_message(*answer(*frame))
        except UnreadableImageError as error:
            channel.send_message({"op": "failed", "reason": error.sentence()})
        except (RuntimeError, MemoryError) as error:
            reason = " ".join(str(error).split())[:160] or "not enough memory to decode"
            channel.send_message({"op": "failed", "reason": reason})
