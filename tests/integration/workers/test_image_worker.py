"""The index worker under supervision, with programs that behave as a test needs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from phsearch.domain.indexing.batching import Batcher, ChangedMeanwhile, Embedded, EmbedJob, Unreadable
from phsearch.domain.types import Fingerprint
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from phsearch.service.workers.image_worker import ImageWorker
from phsearch.service.workers.limits import WorkerLimits
from support.harness import wait_until
from support.machine.fake_power import at_ease
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phsearch.domain.indexing.batching import EmbedResult

BEGINS = """
import os, signal, socket, struct, sys, time
from pathlib import Path
from phsearch.service.workers.frames import WorkerChannel
channel = WorkerChannel(socket.socket(fileno=int(sys.argv[1])))
starts = Path(channel.receive_message()[0]["folder"])
with starts.open("a") as file:
    file.write(f"{os.getpid()}\\n")
life = len(starts.read_text().split())
identity = {"name": "x", "pretrained": "", "weights": "", "preprocess": "", "dim": 4}
about = {"identity": identity, "device": "cpu", "precision": "fp32", "multilingual": False, "pid": os.getpid()}
channel.send_message({"op": "ready", **about, "batch_size": 4})

UNIT_VECTOR = struct.pack("<4f", 1, 0, 0, 0)

def embedded(path, size):
    # The number of the process stands for the camera: a result tells which process it came from.
    info = [size, 1, "PNG", None, str(life), None, None, None, None]
    channel.send_message({"op": "embedded", "photos": [{"path": path, "info": info}]}, UNIT_VECTOR)
"""
EMBEDS = """
while (frame := channel.receive_message()) is not None:
    for path, size, _ in frame[0]["photos"]:
        channel.send_message({"op": "begun", "path": path})
        embedded(path, size)
    channel.send_message({"op": "done", "batch": frame[0]["batch"], "times": {}})
"""


class Model:
    """A model that is always the right one."""

    problem = None

    async def bind(self, *_: object, **__: object) -> None:
        pass

    def failed(self, error: Exception) -> None:
        raise AssertionError(error)


class Stage:
    """An index worker whose process runs `script`."""

    def __init__(
        self,
        folder: Path,
        script: str,
        memory: Callable[[int], int] = lambda _pid: 0,
        *,
        ahead: int = 1,
        loading: str = "",
        photo_seconds: float = 30,
    ) -> None:
        self.starts = folder / "starts"
        begins = BEGINS.replace("identity =", f"{loading}identity =")
        env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = WorkerCommand(
            WorkerSetup(tower="image", name="mini", folder=str(self.starts)),
            env,
            (sys.executable, "-c", begins + script),
        )
        limits = WorkerLimits(photo_seconds=photo_seconds, memory_of=memory, max_memory=lambda _loaded: 1000)
        model: Any = Model()
        self.throttle = at_ease()
        self.results: dict[str, EmbedResult] = {}
        self.image_worker = ImageWorker(
            command=command,
            model=model,
            batcher=Batcher(4, ahead),
            keep_alive=60,
            limits=limits,
            throttle=self.throttle,
            on_result=self._add_result,
        )

    def _add_result(self, result: EmbedResult) -> None:
        assert result.photo.path not in self.results
        self.results[result.photo.path] = result

    async def play(self, done: Callable[[], bool], *paths: str) -> None:
        """Submit photos and work until something is true."""
        running = asyncio.ensure_future(self.image_worker.run())
        for path in paths:
            self.image_worker.submit_job(photo(path))
        async with asyncio.timeout(scaled(30)):
            while not done():
                assert not running.done(), running.result()
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})

    def cameras(self) -> dict[str, str | None]:
        return {path: each.info.camera for path, each in self.results.items() if isinstance(each, Embedded)}


def test_in_a_pause_the_first_batch_is_finished_and_the_other_photos_wait_again(tmp_path: Path) -> None:
    slowly = EMBEDS.replace("embedded(path, size)", "time.sleep(0.1); embedded(path, size)")
    stage = Stage(tmp_path, slowly, ahead=3)
    paths = [f"{number:02}" for number in range(12)]

    async def scenario() -> None:
        playing = asyncio.ensure_future(stage.play(lambda: len(stage.results) == 12, *paths))
        await until(lambda: bool(stage.results))
        await stage.throttle.pause(None)
        await until(lambda: not stage.image_worker.running)
        assert sorted(stage.results) == paths[:4], "the first batch"
        assert (stage.image_worker.pending, stage.image_worker.embed_position("04")) == (8, 0)
        await asyncio.sleep(0.5)
        assert len(stage.results) == 4
        await stage.throttle.resume(force=False)
        await playing

    asyncio.run(scenario())
    assert set(stage.cameras().values()) == {"1", "2"}
    assert len(stage.starts.read_text().split()) == 2


def test_a_worker_that_still_loads_its_model_is_ended_by_a_pause(tmp_path: Path) -> None:
    loads = "import time; time.sleep(0 if life > 1 else 600)\n"
    stage = Stage(tmp_path, EMBEDS, loading=loads)

    async def scenario() -> None:
        playing = asyncio.ensure_future(stage.play(lambda: len(stage.results) == 1, "a"))
        await until(lambda: stage.starts.exists() and bool(stage.starts.read_text()))  # it is made, and then written
        pid = int(stage.starts.read_text())
        await stage.throttle.pause(None)
        await until(lambda: not os.path.exists(f"/proc/{pid}"))
        await stage.throttle.resume(force=False)
        await playing

    asyncio.run(scenario())


def test_a_cancelled_check_is_not_made(tmp_path: Path) -> None:
    stage = Stage(tmp_path, EMBEDS)

    async def scenario() -> None:
        await stage.throttle.pause(None)
        running = asyncio.ensure_future(stage.image_worker.run())
        check = asyncio.ensure_future(stage.image_worker.check_photo(photo("a")))
        await until(lambda: stage.image_worker.busy)
        check.cancel()
        await asyncio.wait({check})
        assert not stage.image_worker.busy
        await stage.throttle.resume(force=False)
        await asyncio.sleep(0.1)
        running.cancel()

    asyncio.run(scenario())
    assert not stage.starts.exists(), "no worker was started for it"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(scaled(20)):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def photo(path: str, size: int = 1) -> EmbedJob:
    return EmbedJob(path, "/", Fingerprint(size, 1), b"")


def test_what_a_worker_sent_before_it_was_ended_counts(tmp_path: Path) -> None:
    reads: list[int] = []

    def memory(_pid: int) -> int:
        reads.append(1)
        if len(reads) != 2:
            return 0
        # The loop is blocked, so that all messages of the worker are still on their way when it is ended.
        wait_until((tmp_path / "sent").exists, "the worker has sent the first two")
        return 2000

    stage = Stage(
        tmp_path,
        """
for path, size, _ in channel.receive_message()[0]["photos"]:
    channel.send_message({"op": "begun", "path": path})
    if life == 1:
        time.sleep(0.15)
        if path == "c":
            starts.with_name("sent").touch()
            time.sleep(600)
    embedded(path, size)
channel.receive_message()
""",
        memory,
    )
    asyncio.run(stage.play(lambda: len(stage.results) == 3, "a", "b", "c"))
    assert stage.cameras() == {"a": "1", "b": "1", "c": "2"}


def test_workers_that_die_before_their_first_message_are_restarted_with_growing_delays(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "channel.receive_message(); os._exit(1)")
    until = time.monotonic() + 2.5
    asyncio.run(
        stage.play(lambda: time.monotonic() > until and bool(stage.starts.exists() and stage.starts.read_text()), "a")
    )
    assert 1 <= len(stage.starts.read_text().split()) <= 3
    assert stage.results == {}


def test_the_photo_to_blame_for_a_worker_exit_comes_with_its_cause(tmp_path: Path) -> None:
    stage = Stage(tmp_path, EMBEDS.replace("embedded(", "path == 'bad' and os.abort()\n        embedded("))
    asyncio.run(stage.play(lambda: len(stage.results) == 3, "a", "bad", "c"))
    bad = stage.results["bad"]
    assert isinstance(bad, Unreadable)
    assert (bad.reason, bad.cause, bad.scope) == ("its decoder crashed (SIGABRT)", "crash", "content")


def test_a_check_has_its_own_result_and_one_of_another_state_counts_as_changed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, EMBEDS)
    answers: list[EmbedResult] = []

    async def scenario() -> None:
        async def check(size: int) -> None:
            answers.append(await stage.image_worker.check_photo(photo("a", size)))

        checks = [asyncio.ensure_future(check(size)) for size in (1, 2)]
        await stage.play(lambda: len(answers) == 2 and len(stage.results) == 1, "a")
        await asyncio.gather(*checks)

    asyncio.run(scenario())
    assert [type(answer) for answer in answers] == [ChangedMeanwhile, Embedded], "the newer state replaced the older"
    assert not any(answer.photo.check for answer in stage.results.values())


def test_a_worker_that_does_not_even_read_is_replaced(tmp_path: Path) -> None:
    # More than a socket holds, while the worker reads nothing.
    paths = [f"{number}/" + 100_000 * "x" for number in range(4)]
    stage = Stage(tmp_path, "if life == 1: time.sleep(600)\n" + EMBEDS, photo_seconds=scaled(0.2))
    asyncio.run(stage.play(lambda: len(stage.results) == 4, *paths))
    assert set(stage.cameras().values()) == {"2"}


def test_every_message_of_the_worker_is_progress_for_the_heartbeat(tmp_path: Path) -> None:
    stage = Stage(tmp_path, EMBEDS.replace("embedded(path, size)", "time.sleep(0.3)\n        embedded(path, size)"))
    seen = []

    def done() -> bool:
        seen.append(stage.image_worker.activity)
        return len(stage.results) == 3

    assert stage.image_worker.activity is None
    asyncio.run(stage.play(done, "a", "b", "c"))
    jobs = {job for job in seen if job is not None}
    assert {job.what for job in jobs} == {"photos"}
    assert len(jobs) > 1
    assert stage.image_worker.hang_timeout > 30 * 5


def test_photos_wait_while_the_machine_is_short_of_memory_and_none_is_given_up(tmp_path: Path) -> None:
    short = """
while life < 3 and (frame := channel.receive_message()) is not None:
    for path, _, _ in frame[0]["photos"]:
        channel.send_message({"op": "begun", "path": path})
        channel.send_message({"op": "failed", "path": path, "reason": "no memory for a photo", "scope": "machine"})
    channel.send_message({"op": "done", "batch": frame[0]["batch"], "times": {}})
"""
    stage, problems = Stage(tmp_path, short + EMBEDS), []

    def done() -> bool:
        problems.append(str(stage.image_worker.problem))
        return len(stage.results) == 6

    asyncio.run(stage.play(done, *"abcdef"))
    assert set(stage.cameras().values()) == {"3"}
    assert "no photo can be embedded now: no memory for a photo" in problems
    assert stage.image_worker.problem is None


def test_a_photo_is_not_to_blame_for_a_model_that_gives_no_result_for_any(tmp_path: Path) -> None:
    silent = """
for path, _, _ in channel.receive_message()[0]["photos"] if life < 4 else ():
    channel.send_message({"op": "begun", "path": path})
    channel.send_message({"op": "decoded", "path": path})
life < 4 and time.sleep(600)
"""
    stage = Stage(tmp_path, silent + EMBEDS, photo_seconds=scaled(0.05))
    asyncio.run(stage.play(lambda: len(stage.results) == 1, "a"))
    assert stage.cameras() == {"a": "4"}


def test_a_photo_that_silences_a_model_which_takes_others_is_found(tmp_path: Path) -> None:
    silent = """
while (frame := channel.receive_message()) is not None:
    for path, size, _ in frame[0]["photos"]:
        channel.send_message({"op": "begun", "path": path})
        channel.send_message({"op": "decoded", "path": path})
        path == "bad" and time.sleep(600)
        embedded(path, size)
    channel.send_message({"op": "done", "batch": frame[0]["batch"], "times": {}})
"""
    stage = Stage(tmp_path, silent, photo_seconds=scaled(0.05))
    asyncio.run(stage.play(lambda: len(stage.results) == 3, "a", "bad", "c"))
    bad = stage.results["bad"]
    assert isinstance(bad, Unreadable)
    assert "the model took longer than" in bad.reason
    assert bad.scope == "file"
    assert set(stage.cameras()) == {"a", "c"}
