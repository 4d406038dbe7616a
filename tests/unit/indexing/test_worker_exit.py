"""What `errors` says of a photo that took the worker down, and how much memory it may take."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.linux import processes
from phsearch.domain.indexing import worker_exit
from phsearch.domain.indexing.batching import Batcher, EmbedJob
from phsearch.domain.types import Fingerprint
from phsearch.service.workers.limits import MB, LimitMonitor, WorkerLimits, worker_memory_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

GB = 1 << 30


@pytest.mark.parametrize(
    ("exit_", "reason", "cause"),
    [
        (worker_exit.exited(-11), "its decoder crashed (SIGSEGV)", "crash"),
        (worker_exit.exited(-6), "its decoder crashed (SIGABRT)", "crash"),
        (worker_exit.exited(-35), "its decoder crashed (signal 35)", "crash"),
        (worker_exit.exited(3), "its decoder ended the worker (exit status 3)", "crash"),
        (worker_exit.exited(-9), "each worker that decoded it was killed (SIGKILL): memory may have run out", "killed"),
        (worker_exit.decode_timeout(60.0), "decoding took longer than 60 s", "hang"),
        (worker_exit.model_timeout(300.0), "the model took longer than 300 s over it", "silent"),
        (worker_exit.memory_exceeded(2048 * MB), "it needs more than 2,048 MB of memory to decode", "memory"),
    ],
)
def test_every_kind_of_worker_exit_has_its_reason(exit_: worker_exit.WorkerExit, reason: str, cause: str) -> None:
    assert (exit_.reason, exit_.cause) == (reason, cause)


def test_the_automatic_limit_has_room_for_the_largest_photos_in_every_thread() -> None:
    assert worker_memory_limit(0, GB, threads=2, megapixels=100, machine=64 * GB) == 2.5 * GB + 2 * 2_400_000_000


def test_the_automatic_limit_is_at_most_half_of_the_machine() -> None:
    assert worker_memory_limit(0, GB, threads=16, megapixels=250, machine=16 * GB) == 8 * GB


def test_a_configured_limit_counts() -> None:
    assert worker_memory_limit(3072, GB, threads=16, megapixels=250, machine=16 * GB) == 3 * GB


@pytest.mark.parametrize("configured", [0, 1])
def test_no_limit_is_so_low_that_photos_would_be_blamed_for_the_model(configured: int) -> None:
    assert worker_memory_limit(configured, 3 * GB, threads=2, megapixels=250, machine=4 * GB) == 6 * GB + 512 * MB


def test_a_process_is_charged_for_what_it_has_to_itself() -> None:
    eat = "import sys; held = bytearray(b'x') * (100 << 20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", eat], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 100 * MB < processes.private_bytes(process.pid) < 150 * MB
        assert process.stdin is not None
        process.stdin.close()
    assert processes.private_bytes(process.pid) == 0, "one that is gone has nothing"


def test_the_machine_has_some_memory() -> None:
    assert 100 * MB < processes.total_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Scene:
    """A monitor of a worker that holds photos 0, 1 and 2, with a clock and memory that the test sets."""

    def __init__(self) -> None:
        self.time = 0.0
        self.memory = GB
        self.batcher = Batcher(3, 1)
        for number in range(3):
            self.batcher.add_job(EmbedJob(str(number), "/", Fingerprint(1, 1), b""))
        self.batcher.next_batch()
        limits = WorkerLimits(
            photo_seconds=60, memory_of=lambda _pid: self.memory, max_memory=lambda loaded: loaded + GB
        )
        self.monitor = LimitMonitor(pid=0, limits=limits, batcher=self.batcher, clock=lambda: self.time)

    def check_for(self, seconds: float) -> Iterator[worker_exit.WorkerExit | None]:
        """Let time pass, with a check every tenth of a second."""
        for _ in itertools.repeat(None, round(seconds * 10)):
            self.time += 0.1
            yield self.monitor.violation()


def test_a_worker_is_ended_once_it_takes_more_than_it_may() -> None:
    scene = Scene()
    scene.memory = 2 * GB
    assert scene.monitor.violation() is None
    scene.memory += 1
    exit_ = scene.monitor.violation()
    assert exit_ is not None
    assert exit_.cause == "memory"


def test_photos_that_make_progress_may_take_as_long_as_they_like_together() -> None:
    scene = Scene()
    for number in range(3):
        scene.batcher.decode_started(str(number), scene.monitor.now)
        assert not any(scene.check_for(50)), "150 s in all"
        scene.batcher.decode_finished(str(number))


def test_a_photo_that_hangs_is_found_although_others_make_progress() -> None:
    scene = Scene()
    scene.batcher.decode_started("0", scene.monitor.now)
    for name in "12":
        scene.batcher.decode_started(name, scene.monitor.now)
        assert not any(scene.check_for(29))
        scene.monitor.message_seen()
        scene.batcher.job_finished(name)
    (exit_,) = set(filter(None, scene.check_for(3)))
    assert (exit_.cause, scene.monitor.overdue) == ("hang", ["0"])


def test_a_model_may_be_silent_for_longer_than_a_photo_may_take_but_not_without_end() -> None:
    scene = Scene()
    scene.monitor.batch_sent()
    assert not any(scene.check_for(299))
    (exit_,) = set(filter(None, scene.check_for(2)))
    assert (exit_.reason, scene.monitor.overdue) == ("the model took longer than 300 s over it", [])


def test_time_in_which_the_daemon_was_stopped_does_not_count_against_the_worker() -> None:
    scene = Scene()
    scene.batcher.decode_started("0", scene.monitor.now)
    scene.time += 3600
    assert scene.monitor.violation() is None
    assert not any(scene.check_for(58))
    assert any(scene.check_for(3))


def test_an_idle_worker_is_left_alone() -> None:
    scene = Scene()
    for name in "012":
        scene.batcher.job_finished(name)
    scene.batcher.batch_done(1)
    scene.memory = 9 * GB
    assert not any(scene.check_for(400))
