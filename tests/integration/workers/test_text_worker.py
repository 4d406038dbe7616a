"""The query worker comes and goes: it leaves after a rest, the next query starts it, and no query hangs or is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.store.lance import LanceStore
from phsearch.errors import ModelMismatchError, ModelUnavailableError, NotReadyError
from phsearch.service.threads import SerialExecutor
from phsearch.service.workers import supervision, text_worker
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from phsearch.service.workers.model_download import DownloadProgress
from phsearch.service.workers.model_state import ModelState
from phsearch.service.workers.text_worker import TextWorker
from support.harness import wait_until
from support.on_demand import ENV, alive
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

BEGINS = """
import json, os, signal, socket, sys, time
from pathlib import Path
from phsearch.service.workers.frames import WorkerChannel
channel = WorkerChannel(socket.socket(fileno=int(sys.argv[1])))
folder = Path(channel.receive_message()[0]["folder"])
with (folder / "starts").open("a") as file:
    file.write(f"{os.getpid()}\\n")
life = len((folder / "starts").read_text().split())
weights, dim = "w", 4
"""
SERVES = """
identity = {"name": "mini", "pretrained": "", "weights": weights, "preprocess": "", "dim": dim}
about = {"identity": identity, "device": "cpu", "precision": "fp32", "multilingual": False, "pid": os.getpid()}
channel.send_message({"op": "ready", **about})
while (frame := channel.receive_message()) is not None:
    texts = frame[0]["texts"]
    with (folder / "passes").open("a") as file:
        file.write(json.dumps(texts) + "\\n")
    if texts[0].startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[texts[0]])
    channel.send_message({"op": "embedded"}, bytes(16 * len(texts)))
"""
WAITS_FOR_A_FILE = "while life > 1 and not (folder / 'go').exists(): time.sleep(0.01)\n"
"""From the second start on. Nothing is used up meanwhile."""


@pytest.fixture(autouse=True)
def starts_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a query wait for a start for as long as it takes on this machine."""
    monkeypatch.setattr(text_worker, "_PATIENCE_SECONDS", scaled(5))


class Stage:
    """A query worker whose program runs `loading` before it is ready, with the real state of the model."""

    def __init__(self, folder: Path, loading: str = "", keep_alive: float = 600) -> None:
        self.folder = folder
        self._executor = SerialExecutor("store")
        self._store = LanceStore(folder=folder / "index", name="mini")
        self.model = ModelState(
            name="mini",
            pretrained="",
            tables=self._store,
            executor=self._executor,
            download=DownloadProgress(),
        )
        program = (sys.executable, "-c", BEGINS + loading + SERVES)
        command = WorkerCommand(WorkerSetup(tower="text", name="mini", folder=str(folder)), ENV, program)
        self.worker = TextWorker(command=command, model=self.model, keep_alive=keep_alive)

    def play(self, scenario: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run the worker beside `scenario`, whose end ends it; no process may stay."""

        async def play() -> None:
            async with asyncio.timeout(scaled(60)), self._running():
                await scenario()

        try:
            asyncio.run(play())
        finally:
            self._executor.close()
            self._store.close()
        assert not [pid for pid in self.pids() if alive(pid)]

    def pids(self) -> list[int]:
        """Return the processes that were started, in turn."""
        with contextlib.suppress(FileNotFoundError):
            return [int(pid) for pid in (self.folder / "starts").read_text().split()]
        return []

    def passes(self) -> list[list[str]]:
        """Return the texts of each pass."""
        with contextlib.suppress(FileNotFoundError):
            return [json.loads(line) for line in (self.folder / "passes").read_text().splitlines()]
        return []

    async def ask(self, text: str = "red") -> None:
        assert len(await self.worker.embed(text)) == 4

    async def ready(self) -> None:
        await until(lambda: self.worker.worker_stats.pid is not None, "the worker is ready")

    async def rested(self) -> None:
        """Wait until the worker has started and has left."""
        await until(lambda: bool(self.worker.worker_stats.starts), "the worker has started")
        await until(lambda: not any(map(alive, self.pids())), "the worker has left")

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        running = asyncio.ensure_future(self.worker.run())
        try:
            yield
        finally:
            began = time.monotonic()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            assert time.monotonic() - began < scaled(2), "it ends promptly"


async def until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what)


def test_it_starts_at_once_leaves_after_a_rest_and_the_next_query_starts_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, keep_alive=0.3)

    async def scenario() -> None:
        for start in (1, 2, 3):
            await stage.rested()
            assert stage.worker.worker_stats.pid is None
            assert len(stage.pids()) == start
            assert stage.model.status(worker_running=False).state == "ready"
            await stage.ask()
        await stage.rested()
        await asyncio.sleep(1)
        assert len(stage.pids()) == 4, "without a query none is started"
        assert not stage.worker.worker_stats.exits, "a rest is no failure"

    stage.play(scenario)


def test_a_rest_is_counted_from_the_last_query(tmp_path: Path) -> None:
    stage = Stage(tmp_path, keep_alive=scaled(0.3))

    async def scenario() -> None:
        await stage.ready()
        begin = time.monotonic()
        while time.monotonic() - begin < scaled(0.7):
            await stage.ask()
            await asyncio.sleep(0.1)
        await stage.rested()
        assert len(stage.pids()) == 1

    stage.play(scenario)


def test_no_rest_at_all_is_allowed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, keep_alive=0)

    async def scenario() -> None:
        await stage.rested()
        for _ in range(3):
            await stage.ask()
        await stage.rested()
        await asyncio.gather(*(stage.ask() for _ in range(100)))

    stage.play(scenario)


def test_ten_queries_after_a_rest_make_one_start_and_one_pass(tmp_path: Path) -> None:
    stage = Stage(tmp_path, keep_alive=0.3)

    async def scenario() -> None:
        await stage.rested()
        words = [f"word {number}" for number in range(10)]
        await asyncio.gather(*map(stage.ask, words))
        assert stage.passes() == [words]
        assert stage.worker.worker_stats.starts == 2

    stage.play(scenario)


def test_a_query_whose_client_gives_up_while_the_worker_starts_is_forgotten(tmp_path: Path) -> None:
    stage = Stage(tmp_path, WAITS_FOR_A_FILE, keep_alive=0.3)

    async def scenario() -> None:
        await stage.rested()
        gone, stays = asyncio.ensure_future(stage.ask("gone")), asyncio.ensure_future(stage.ask("stays"))
        await until(lambda: len(stage.pids()) == 2, "it starts")
        assert stage.worker.activity is None, "a start is no hang, however long it takes"
        gone.cancel()
        await asyncio.wait({gone})
        (tmp_path / "go").touch()
        await stays
        assert stage.passes() == [["stays"]]

    stage.play(scenario)


def test_a_worker_whose_start_takes_much_processor_time_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_worker, "_CHEAP_START_SECONDS", 1.0)
    stage = Stage(tmp_path, "while time.process_time() < 1.1: pass\n", keep_alive=0.1)

    async def scenario() -> None:
        await stage.ready()
        await stage.ask()
        await asyncio.sleep(1)
        await stage.ask()
        assert stage.worker.worker_stats.pid == stage.pids()[0]

    stage.play(scenario)
    assert len(stage.pids()) == 1


def test_a_worker_that_is_slow_only_because_others_are_busy_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_worker, "_CHEAP_START_SECONDS", 1.0)
    stage = Stage(tmp_path, "time.sleep(1.5)\n", keep_alive=0.1)
    stage.play(stage.rested)


def test_other_settings_count_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.ready()
        await stage.ask()
        stage.worker.reconfigure(0.1)
        await stage.rested()
        stage.worker.reconfigure(600)
        await stage.ask()
        await asyncio.sleep(0.5)
        assert alive(stage.pids()[1])

    stage.play(scenario)


def test_a_worker_killed_while_it_starts_is_replaced_and_its_query_may_be_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_RETRY_FIRST", 0.3)
    stage = Stage(tmp_path, WAITS_FOR_A_FILE, keep_alive=0.3)

    async def scenario() -> None:
        await stage.rested()
        query = asyncio.ensure_future(stage.ask())
        await until(lambda: len(stage.pids()) == 2, "it starts")
        os.kill(stage.pids()[1], signal.SIGKILL)
        for asked in (query, stage.ask()):
            with pytest.raises(NotReadyError, match="the text model is starting"):
                await asked
        (tmp_path / "go").touch()
        await stage.ready()
        await stage.ask()
        assert stage.model.problem is None, "the model is not to blame"

    stage.play(scenario)


def test_a_worker_killed_in_its_rest_is_replaced_before_the_next_query(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.ready()
        os.kill(stage.pids()[0], signal.SIGKILL)
        await until(lambda: stage.worker.worker_stats.exits == {"killed": 1}, "its end is counted")
        await stage.ask()
        assert len(stage.pids()) == 2

    stage.play(scenario)


@pytest.mark.parametrize(("end", "cause"), [("SIGSEGV", "crash"), ("SIGKILL", "killed")])
def test_its_end_fails_the_queries_in_hand_and_those_behind_them_wait_for_the_next_worker(
    tmp_path: Path, end: str, cause: str
) -> None:
    stage = Stage(tmp_path)

    async def scenario() -> None:
        await stage.ready()
        in_hand = asyncio.ensure_future(stage.ask(end))
        await until(lambda: stage.worker.activity is not None or in_hand.done(), "it has the query")
        behind = asyncio.ensure_future(stage.ask("red"))
        with pytest.raises(NotReadyError, match="the text model is restarting"):
            await in_hand
        await behind
        assert stage.worker.worker_stats.exits == {cause: 1}
        assert stage.worker.worker_stats.last_exit == f"killed ({end})"
        assert stage.passes() == [[end], ["red"]]

    stage.play(scenario)


def test_a_problem_of_the_model_is_the_answer_to_queries_that_wait_and_at_once_to_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_RETRY_FIRST", scaled(0.2))
    missing = 'channel.send_message({"op": "unavailable", "reason": "no weights", "hint": "get some"})\n'
    stage = Stage(tmp_path, f"if life == 2:\n    {missing}    raise SystemExit\n", keep_alive=0.3)

    async def scenario() -> None:
        await stage.rested()
        for _ in range(2):
            with pytest.raises(ModelUnavailableError, match="no weights") as caught:
                await stage.ask()
            assert caught.value.hint == "get some"
        await until(lambda: stage.model.problem is None, "the weights are there")
        await stage.ask()

    stage.play(scenario)


def test_other_weights_after_a_rest_are_named_and_nothing_waits(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "if life == 2: weights, dim = 'others', 8\n", keep_alive=0.3)

    async def scenario() -> None:
        await stage.rested()
        for _ in range(2):
            with pytest.raises(ModelMismatchError):
                await stage.ask()
        assert stage.model.status(worker_running=False).state == "mismatch"
        assert len(stage.pids()) == 2

    stage.play(scenario)


def test_no_query_waits_long_for_a_start_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_worker, "_PATIENCE_SECONDS", scaled(0.2))
    stage = Stage(tmp_path, WAITS_FOR_A_FILE, keep_alive=scaled(0.2))

    async def scenario() -> None:
        await stage.rested()
        for _ in range(2):
            with pytest.raises(NotReadyError, match="the text model is starting"):
                await stage.ask()
        (tmp_path / "go").touch()
        await stage.ready()
        await stage.ask()
        assert len(stage.pids()) == 2

    stage.play(scenario)


@pytest.mark.parametrize("state", ["starting", "resting", "stopped"])
def test_it_can_be_ended_at_any_time(tmp_path: Path, state: str) -> None:
    stage = Stage(tmp_path, WAITS_FOR_A_FILE, keep_alive=600 if state == "stopped" else 0.1)

    async def scenario() -> None:
        if state == "stopped":
            await stage.ready()
            stage.worker.reconfigure(0)
            os.kill(stage.pids()[0], signal.SIGSTOP)
        await stage.rested()
        if state == "starting":
            query = asyncio.ensure_future(stage.ask())
            await until(lambda: len(stage.pids()) == 2, "it starts")
            query.cancel()

    stage.play(scenario)
