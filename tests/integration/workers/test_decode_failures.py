"""What a worker says of a photo that it cannot embed: the content, this file, or the machine is to blame."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import numpy as np
import pytest

from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Fingerprint, PhotoInfo
from phsearch.service.workers.frames import WorkerChannel
from phsearch.worker import serve_batches
from phsearch.worker.photo_reader import PhotoReader
from support.harness import photo
from support.workers.colour import PREPROCESS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from phsearch.domain.types import Pixels, Vectors


@pytest.fixture
def channels() -> Iterator[tuple[WorkerChannel, WorkerChannel]]:
    ends = socket.socketpair()
    with ends[0], ends[1]:
        channels = WorkerChannel(ends[0]), WorkerChannel(ends[1])
        yield channels
        for channel in channels:
            channel._file.close()


def scope(channels: tuple[WorkerChannel, WorkerChannel], path: Path) -> str:
    worker, daemon = channels
    reader = PhotoReader(
        roots=[str(path.parent)], decoder=PillowDecoder(1_000_000), preprocess=PREPROCESS, follow=False
    )
    assert serve_batches.decode_photo(worker, reader, str(path), Fingerprint.of(os.stat(path))) is None
    headers = [frame[0] for frame in (daemon.receive_message(), daemon.receive_message()) if frame]
    assert [header["op"] for header in headers] == ["begun", "failed"]
    assert headers[1]["path"] == str(path)
    return cast("str", headers[1]["scope"])


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EIO, "file"),
        (errno.ESTALE, "file"),
        (errno.ETIMEDOUT, "file"),
        (errno.EMFILE, "machine"),
        (errno.ENOMEM, "machine"),
    ],
)
def test_a_read_that_fails_says_nothing_of_the_content(
    channels: tuple[WorkerChannel, WorkerChannel], tmp_path: Path, number: int, expected: str
) -> None:
    path = photo(tmp_path / "a.png", "red")
    with mock.patch("phsearch.safe_open.read_chunks", side_effect=OSError(number, os.strerror(number))):
        assert scope(channels, path) == expected


def test_bytes_that_are_no_photo_are_the_fault_of_the_content(
    channels: tuple[WorkerChannel, WorkerChannel], tmp_path: Path
) -> None:
    whole = photo(tmp_path / "whole.jpg", "red", (64, 64)).read_bytes()
    (tmp_path / "text.jpg").write_text("Dear diary")
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    assert scope(channels, tmp_path / "text.jpg") == "content"
    assert scope(channels, tmp_path / "half.jpg") == "unfinished"


@pytest.mark.parametrize(("small_photo", "expected"), [(1, "file"), (1 << 62, "machine")])
def test_a_decoder_without_memory_blames_the_machine_if_that_has_none_for_a_small_photo_either(
    channels: tuple[WorkerChannel, WorkerChannel], tmp_path: Path, small_photo: int, expected: str
) -> None:
    path = photo(tmp_path / "a.png", "red")
    with (
        mock.patch("phsearch.adapters.images.codecs.open_image", side_effect=MemoryError),
        mock.patch.object(serve_batches, "_SMALL_PHOTO", small_photo),
    ):
        assert scope(channels, path) == expected


class Tower:
    """A model that has no memory for pictures as bright as this."""

    def __init__(self, error: Exception, brightness: int) -> None:
        self._error = error
        self._brightness = brightness

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        if any(each.mean() >= self._brightness for each in pixels):
            raise self._error
        return np.eye(4, dtype=np.float32)[: len(pixels)]


@pytest.mark.parametrize("error", [MemoryError("not enough memory for a single picture"), RuntimeError("CUDA error")])
@pytest.mark.parametrize(("brightness", "expected"), [(0, ["machine"] * 2), (200, ["content"])])
def test_a_model_that_takes_no_picture_at_all_blames_the_machine(
    channels: tuple[WorkerChannel, WorkerChannel], error: Exception, brightness: int, expected: list[str]
) -> None:
    worker, daemon = channels
    ready: Any = [
        (mock.Mock(path=f"/p/{shade}.png"), mock.Mock(pixels=np.full((2, 2, 3), shade, np.uint8), info=INFO))
        for shade in (10, 250)
    ]
    serve_batches._embed(worker, cast("Any", Tower(error, brightness)), ready)
    worker.send_message({"op": "end"})
    headers: list[dict[str, Any]] = []
    while (frame := daemon.receive_message()) is not None and frame[0]["op"] != "end":
        headers.append(frame[0])
    assert [header["scope"] for header in headers if header["op"] == "failed"] == expected
    assert sum(len(header["photos"]) for header in headers if header["op"] == "embedded") == 2 - len(expected)


INFO = PhotoInfo(2, 2, "PNG")
