"""Starting workers that are killed, fail, do nothing, or talk too much while they load."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from phsearch.service.workers import process, supervision
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from phsearch.service.workers.limits import StalledError
from phsearch.service.workers.process import WorkerDiedError, WorkerProcess
from phsearch.service.workers.supervision import Backoff, start_worker
from support.time_limits import scaled

if TYPE_CHECKING:
    from pathlib import Path

BEGINS = """
import os, signal, socket, sys, time
from pathlib import Path
from phsearch.service.workers.frames import WorkerChannel
channel = WorkerChannel(socket.socket(fileno=int(sys.argv[1])))
starts = Path(channel.receive_message()[0]["folder"])
with starts.open("a") as file:
    file.write("x")
life = len(starts.read_text())
"""
READY = """
identity = {"name": "x", "pretrained": "", "weights": "", "preprocess": "", "dim": 4}
about = {"identity": identity, "device": "cpu", "precision": "fp32", "multilingual": False, "pid": os.getpid()}
channel.send_message({"op": "ready", **about})
"""


class Model:
    """Records the problems."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.problems: list[str] = []

    async def bind(self, *_: object, **__: object) -> None:
        pass

    def failed(self, error: Exception) -> None:
        self.problem = error
        self.problems.append(str(error))


def command(folder: Path, script: str) -> WorkerCommand:
    env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    setup = WorkerSetup(tower="text", name="mini", folder=str(folder / "starts"))
    return WorkerCommand(setup, env, (sys.executable, "-c", BEGINS + script))


def start(folder: Path, script: str, seconds: float = 20) -> Model:
    """Start a worker that runs `script`, and stop it."""
    model = Model()

    async def scenario() -> None:
        async with asyncio.timeout(scaled(seconds)):
            worker = await start_worker(command(folder, script), model, image=False)  # type: ignore[arg-type]
        await worker.stop()

    asyncio.run(scenario())
    return model


def test_a_worker_killed_from_outside_while_it_loads_is_replaced_soon_and_no_query_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = start(tmp_path, "life < 3 and os.kill(os.getpid(), signal.SIGKILL)" + READY)
    assert model.problems == []
    assert caplog.text.count("the query worker was killed while it loaded the model") == 2


def test_one_that_is_killed_again_and_again_is_a_problem_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_RETRY_FIRST", 0.01)
    model = start(tmp_path, "life < 6 and os.kill(os.getpid(), signal.SIGKILL)" + READY)
    assert len(model.problems) == 2
    assert model.problems[0].endswith('failed while it loaded the model "mini": it was ended by SIGKILL')


def test_delays_grow_while_the_cause_stays_the_same_and_stay_short_after_kills() -> None:
    backoff = Backoff()
    same = [backoff.next_delay("no weights", 120) for _ in range(9)]
    assert same == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert backoff.next_delay("killed", 15) == 1, "another cause starts at the shortest delay"
    assert [backoff.next_delay("killed", 15) for _ in range(5)] == [2, 4, 8, 15, 15]
    assert [backoff.next_delay("killed", 15) for _ in range(5000)][-1] == 15


def test_a_traceback_of_a_worker_is_in_the_log_as_an_error_and_its_end_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "phsearch")
    monkeypatch.setattr(supervision, "_RETRY_FIRST", 0.01)
    script = "print('TIFF: odd tag', file=sys.stderr); print('50%\\r60%\\r', end='', file=sys.stderr)\n"
    model = start(tmp_path, script + "if life == 1: raise ValueError('no such layer')" + READY)
    assert model.problems == ['the query worker failed while it loaded the model "mini": it ended with exit status 1']
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    (trace,) = (error for error in errors if "Traceback" in error)
    assert trace.splitlines()[0].startswith("query worker ")
    assert trace.splitlines()[-1] == "ValueError: no such layer"
    noise = [record.levelno for record in caplog.records if "odd tag" in record.getMessage()]
    assert noise == [logging.DEBUG] * 2
    assert caplog.text.count("60%") == 2


def test_a_name_that_there_is_not_is_said_once_and_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_RETRY_FIRST", 0.0)
    model = Model()
    unknown = 'channel.send_message({"op": "unavailable", "reason": "no such model", "hint": "", "final": life < 2})'

    async def scenario() -> None:
        failed = asyncio.Event()
        starting = asyncio.ensure_future(
            start_worker(command(tmp_path, unknown), model, image=False, on_failure=failed.set)  # type: ignore[arg-type]
        )
        async with asyncio.timeout(scaled(20)):
            await failed.wait()
        await asyncio.wait({starting}, timeout=0.3)
        starting.cancel()

    asyncio.run(scenario())
    assert model.problems == ["no such model"]
    assert (tmp_path / "starts").read_text() == "x"


def test_the_last_lines_of_a_worker_that_ends_without_a_traceback_are_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "_RETRY_FIRST", 0.01)
    start(tmp_path, "if life == 1: print('CUDA driver too old', file=sys.stderr, flush=True); os.abort()" + READY)
    # As noise it was logged before, too, where an earlier test of this process has left the level at "debug".
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len([error for error in errors if error.endswith(": CUDA driver too old")]) == 1


def test_noise_is_limited_and_counted_and_never_delays_the_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "phsearch")
    start(tmp_path, "for _ in range(100_000): print('TIFF: odd tag ' + 50 * 'x', file=sys.stderr)" + READY)
    assert 0 < caplog.text.count("odd tag") < 200
    assert "lines more" in caplog.text


def test_a_worker_that_does_nothing_while_it_loads_is_ended_and_one_that_works_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = scaled(0.7)
    monkeypatch.setattr(process, "_STALL_SECONDS", seconds)

    async def scenario() -> None:
        works = f"until = time.monotonic() + {1.5 * seconds}\nwhile time.monotonic() < until: pass"
        worker = await WorkerProcess.start_process(command(tmp_path, works + READY))
        await worker.stop()
        with pytest.raises(StalledError, match=re.escape(f"it has done nothing for {seconds:g} s")):
            await WorkerProcess.start_process(command(tmp_path, "time.sleep(600)"))

    asyncio.run(scenario())


def test_an_answer_times_out_although_the_process_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = await WorkerProcess.start_process(command(tmp_path, READY + "while True: pass"))
        try:
            with pytest.raises(StalledError, match="it has not answered for 2 s"):
                await worker.request_watched({"op": "embed"}, idle_seconds=60, timeout=2)
        finally:
            await worker.kill()

    asyncio.run(scenario())


def test_the_end_of_a_worker_ends_the_wait_for_its_answer_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        worker = await WorkerProcess.start_process(command(tmp_path, READY + "channel.receive_message()"))
        async with asyncio.timeout(scaled(20)):
            with pytest.raises(WorkerDiedError):
                await worker.request_watched({"op": "embed"}, idle_seconds=600)
        await worker.stop()

    asyncio.run(scenario())
