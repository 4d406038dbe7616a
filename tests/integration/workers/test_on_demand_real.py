"""The real on-demand workers: in their sandbox, with the real decoder, and the real model where there is one."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage
from PIL import Image

from phsearch.config import Config
from phsearch.daemon import worker_commands
from phsearch.errors import UnreadableImageError
from phsearch.service.workers import frames
from phsearch.service.workers.on_demand import OnDemandWorker
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phsearch.service.workers.command import WorkerInfo

CAT = Path(skimage.__file__).parent / "data" / "chelsea.png"
ENV = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"]}
LIMITS = worker_commands.on_demand_limits(Config().index)
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="there is no collection of odd photos here")


def with_worker(name: str, scenario: Callable[[OnDemandWorker], Awaitable[None]]) -> None:
    async def whole(models: str) -> None:
        factory = worker_commands.CommandFactory(
            env=ENV, program=worker_commands.PROGRAM, models=Path(models), has_model=True
        )
        commands = factory.commands(Config().model)
        worker = OnDemandWorker(command=commands.on_demand_workers(Config())[name], limits=LIMITS)
        try:
            await scenario(worker)
        finally:
            await worker.stop_now()

    with tempfile.TemporaryDirectory() as models:
        asyncio.run(whole(models))


async def thumbnail(worker: OnDemandWorker, path: Path, form: str = "png") -> tuple[WorkerInfo, Image.Image]:
    header = {"op": "thumbnail", "path": str(path), "width": 64, "height": 48, "format": form}
    data = path.read_bytes()  # noqa: ASYNC240 - a small file, in a test
    return await worker.request(header, data, lambda ready, answer: (ready, Image.open(io.BytesIO(answer[1]))))


async def look(worker: OnDemandWorker, path: Path) -> tuple[WorkerInfo, np.ndarray]:
    data = path.read_bytes()  # noqa: ASYNC240 - a small file, in a test
    header = {"op": "look", "path": str(path)}
    return await worker.request(header, data, lambda ready, answer: (ready, frames.vectors_from_bytes(answer[1], 1)[0]))


def test_a_thumbnail_is_small_and_its_worker_is_in_a_sandbox() -> None:
    async def scenario(worker: OnDemandWorker) -> None:
        ready, image = await thumbnail(worker, CAT)
        assert image.size == (64, 43)
        assert "seccomp" in ready.sandbox

    with_worker("picture", scenario)


@needs_shared
def test_all_eight_orientations_are_upright() -> None:
    async def scenario(worker: OnDemandWorker) -> None:
        files = sorted((SHARED / "formats").glob("exif-orientation__Landscape_[1-8].jpg"))
        assert len(files) == 8
        pictures = [np.asarray((await thumbnail(worker, file))[1].convert("L"), float) for file in files]
        for picture in pictures:
            assert picture.shape == pictures[0].shape
            assert np.corrcoef(picture.ravel(), pictures[0].ravel())[0, 1] > 0.95

    with_worker("picture", scenario)


@needs_shared
def test_every_format_of_the_collection_has_a_thumbnail_or_a_reason() -> None:
    async def scenario(worker: OnDemandWorker) -> None:
        files = sorted(path for path in (SHARED / "formats").rglob("*") if path.is_file())
        shown, refused = 0, []
        for file in files:
            try:
                _, image = await thumbnail(worker, file)
            except UnreadableImageError as problem:
                refused.append(str(problem))
            else:
                shown += 1
                assert max(image.width / 64, image.height / 48) <= 1, file
        assert shown > len(files) / 2
        assert not [reason for reason in refused if "did not survive" in reason]
        assert worker.worker_stats.starts == 1

    with_worker("picture", scenario)


@needs_shared
@pytest.mark.parametrize(("name", "show"), [("picture", thumbnail), ("like", look)])
def test_a_hostile_file_gives_a_reason_and_the_worker_goes_on(
    name: str, show: Callable[[OnDemandWorker, Path], Awaitable[object]]
) -> None:
    async def scenario(worker: OnDemandWorker) -> None:
        for file in sorted(path for path in (SHARED / "malformed").rglob("*") if path.is_file())[::9]:
            try:
                await show(worker, file)
            except UnreadableImageError as problem:
                said = str(problem)
                assert said
                assert "\n" not in said
                assert "Traceback" not in said
        assert await show(worker, CAT)

    with_worker(name, scenario)


def test_the_real_model_embeds_the_photo_of_a_request() -> None:
    async def scenario(worker: OnDemandWorker) -> None:
        ready, vector = await look(worker, CAT)
        assert vector.shape == (384,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
        assert (ready.identity.name, ready.device, ready.identity.dim) == ("mini", "cpu", 384)
        assert 20 < ready.logit_scale < 30
        assert "seccomp" in ready.sandbox
        with pytest.raises(UnreadableImageError, match="plain text"):
            await look(worker, Path("/etc/hosts"))

    with_worker("like", scenario)
