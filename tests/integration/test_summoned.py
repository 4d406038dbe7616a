"""A worker that is there while it is wanted: it ends when it is idle, and no answer is taken for another question's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import TESTS, photo, wait_until
from phsearch.errors import UnreadableImageError
from phsearch.service import frames
from phsearch.service.process import WorkerCommand
from phsearch.service.summoned import Summoned

PROGRAM = (sys.executable, str(TESTS / "colour_worker.py"))
RED, BLUE = (1, -1, -1), (-1, -1, 1)


def summoned(idle: float = 60, longest: float = 30) -> Summoned:
    env = {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(TESTS)])}
    return Summoned(WorkerCommand({"tower": "like", "name": "mini"}, env, PROGRAM), longest, idle)


async def look(worker: Summoned, path: Path) -> tuple[float, ...]:
    _, payload = await worker.ask({"op": "look", "path": str(path)}, path.read_bytes())  # noqa: ASYNC240
    return tuple(np.sign(frames.vectors_from_bytes(payload, 1)[0][:3]).tolist())


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_it_starts_for_the_first_question_and_ends_when_none_comes(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = summoned(idle=0.2)
        assert worker.career.pid is None
        assert await look(worker, photo(tmp_path / "red.png", "red")) == RED
        pid = worker.career.pid
        assert pid is not None
        for _ in range(200):
            if worker.career.pid is None:
                break
            await asyncio.sleep(0.05)
        assert worker.career.pid is None
        wait_until(lambda: not alive(pid), "the process is gone")
        assert await look(worker, photo(tmp_path / "blue.png", "blue")) == BLUE, "the next question starts another"
        assert worker.career.starts == 2
        await worker.end()

    asyncio.run(scenario())


def test_questions_at_once_get_their_own_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = summoned()
        paths = [photo(tmp_path / f"{number}.png", "red" if number % 2 else "blue") for number in range(12)]
        found = await asyncio.gather(*(look(worker, path) for path in paths))
        assert found == [RED if number % 2 else BLUE for number in range(12)]
        assert worker.career.starts == 1
        await worker.end()

    asyncio.run(scenario())


def test_who_gives_up_takes_no_answer_from_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = summoned()
        await look(worker, photo(tmp_path / "a.png", "red"))
        asking = asyncio.create_task(look(worker, photo(tmp_path / "slow.png", "red")))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await look(worker, photo(tmp_path / "b.png", "blue")) == BLUE
        await worker.end()

    asyncio.run(scenario())


def test_a_photo_that_crashes_it_is_told_and_the_next_gets_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = summoned()
        with pytest.raises(UnreadableImageError, match="did not survive it"):
            await look(worker, photo(tmp_path / "crashes.png", "red"))
        assert await look(worker, photo(tmp_path / "fine.png", "red")) == RED
        assert worker.career.deaths == {"crash": 1}
        await worker.end()

    asyncio.run(scenario())


def test_a_photo_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = summoned(longest=2)
        with pytest.raises(UnreadableImageError, match="took too long"):
            await look(worker, photo(tmp_path / "never-ends.png", "red"))
        assert worker.career.pid is None
        assert await look(worker, photo(tmp_path / "fine.png", "blue")) == BLUE
        await worker.end()

    asyncio.run(scenario())
