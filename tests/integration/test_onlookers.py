"""The workers that look at one photo, as they are: confined, with the real decoder, and the real model where it is."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from harness import SHARED
from phsearch.assembly import workers
from phsearch.config import Config
from phsearch.errors import UnreadableImageError
from phsearch.service import frames
from phsearch.service.summoned import Summoned

CAT = Path(skimage.__file__).parent / "data" / "chelsea.png"
ENV = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"]}


def picture_worker() -> Summoned:
    return Summoned(workers.picture_worker(Config(), ENV, workers.PROGRAM), 60)


async def thumbnail(worker: Summoned, path: Path, form: str = "png") -> Image.Image:
    header = {"op": "thumbnail", "path": str(path), "width": 64, "height": 48, "format": form}
    _, data = await worker.ask(header, path.read_bytes())  # noqa: ASYNC240 - a small file, in a test
    return Image.open(io.BytesIO(data))


def test_a_picture_is_small_and_the_worker_is_confined() -> None:
    async def scenario() -> None:
        worker = picture_worker()
        image = await thumbnail(worker, CAT)
        assert image.size == (64, 43)
        assert worker.ready is not None
        assert "seccomp" in worker.ready.confinement
        await worker.end()

    asyncio.run(scenario())


@pytest.mark.skipif(not SHARED.exists(), reason="there is no collection of odd photos here")
def test_all_eight_orientations_are_upright() -> None:
    async def scenario() -> None:
        worker = picture_worker()
        files = sorted((SHARED / "formats").glob("exif-orientation__Landscape_[1-8].jpg"))
        assert len(files) == 8
        pictures = [np.asarray((await thumbnail(worker, file)).convert("L"), float) for file in files]
        for picture in pictures:
            assert picture.shape == pictures[0].shape
            assert np.corrcoef(picture.ravel(), pictures[0].ravel())[0, 1] > 0.95
        await worker.end()

    asyncio.run(scenario())


@pytest.mark.skipif(not SHARED.exists(), reason="there is no collection of odd photos here")
def test_a_hostile_file_is_a_sentence_and_never_the_end() -> None:
    async def scenario() -> None:
        worker = picture_worker()
        for file in sorted(path for path in (SHARED / "malformed").rglob("*") if path.is_file())[::9]:
            try:
                await thumbnail(worker, file)
            except UnreadableImageError as problem:
                said = str(problem)
                assert said
                assert "Traceback" not in said
        assert (await thumbnail(worker, CAT)).size == (64, 43)
        await worker.end()

    asyncio.run(scenario())


def test_the_real_model_understands_a_photo_it_is_handed() -> None:
    async def scenario() -> None:
        worker = Summoned(workers.like_worker(Config(), ENV, workers.PROGRAM), 120)
        _, payload = await worker.ask({"op": "look", "path": str(CAT)}, CAT.read_bytes())
        (vector,) = frames.vectors_from_bytes(payload, 1)
        assert vector.shape == (384,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
        assert worker.ready is not None
        assert (worker.ready.identity.name, worker.ready.device) == ("mini", "cpu")
        assert 20 < worker.ready.logit_scale < 30
        with pytest.raises(UnreadableImageError, match="plain text"):
            await worker.ask({"op": "look", "path": "/etc/hosts"}, b"127.0.0.1 localhost")
        await worker.end()

    asyncio.run(scenario())
