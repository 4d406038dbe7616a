"""The daemon's end of a worker: what a worker has sent is never lost, and why it ended is known."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from phsearch.errors import ModelUnavailableError
from phsearch.service.workers.command import WorkerCommand, WorkerSetup
from phsearch.service.workers.frames import encode
from phsearch.service.workers.process import WorkerDiedError, WorkerProcess

READY = """
import os, signal, socket, sys, time
from phsearch.service.workers.frames import WorkerChannel
connection = socket.socket(fileno=int(sys.argv[1]))
channel = WorkerChannel(connection)
channel.receive_message()
identity = {"name": "x", "pretrained": "", "weights": "", "preprocess": "", "dim": 4}
about = {"identity": identity, "device": "cpu", "precision": "fp32", "multilingual": False, "pid": os.getpid()}
channel.send_message({"op": "ready", **about})
"""
TALKS_AND_CRASHES = """
while {unread} and len(connection.recv(1 << 16, socket.MSG_PEEK)) < {unread}:
    time.sleep(0.001)
for number in range(100):
    channel.send_message({{"op": "result", "number": number}}, bytes(200))
os.kill(os.getpid(), signal.SIGSEGV)
"""


def command(script: str, **options: Any) -> WorkerCommand:
    env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return WorkerCommand(WorkerSetup(tower="text", name="mini"), env, (sys.executable, "-c", script), **options)


def oom_score_adj_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


async def count_frames(worker: WorkerProcess) -> int:
    """Receive until the worker's end; gives the number of frames."""
    count = 0
    try:
        while True:
            header, payload = await worker.receive_message()
            assert (header["number"], len(payload)) == (count, 200)
            count += 1
    except WorkerDiedError:
        return count


@pytest.mark.parametrize("unread", [0, 3])
def test_all_that_a_worker_sent_before_it_crashed_is_received_and_the_signal_is_known(unread: int) -> None:
    async def scenario() -> None:
        size = unread * len(encode({"op": "embed"}))
        worker = await WorkerProcess.start_process(command(READY + TALKS_AND_CRASHES.format(unread=size)))
        # What it never read makes the kernel report a reset; what is sent after its end, a broken pipe.
        for _ in range(unread):
            await worker.send_message({"op": "embed"})
        assert await worker.wait() == -signal.SIGSEGV
        with pytest.raises(WorkerDiedError):
            await worker.send_message({"op": "embed"})
        assert await count_frames(worker) == 100
        await worker.stop()

    asyncio.run(scenario())


def test_cancelling_the_wait_for_a_frame_loses_no_part_of_it() -> None:
    halves = """
from phsearch.service.workers.frames import encode
for number in range(20):
    data = encode({"op": "result", "number": number}, bytes(200))
    connection.sendall(data[:7]); time.sleep(0.01); connection.sendall(data[7:])
"""

    async def scenario() -> None:
        worker = await WorkerProcess.start_process(command(READY + halves))
        count = 0
        while count < 20:
            receiving = asyncio.ensure_future(worker.receive_message())
            await asyncio.wait({receiving}, timeout=0.003)
            receiving.cancel()
            await asyncio.wait({receiving})
            if not receiving.cancelled():
                assert receiving.result()[0]["number"] == count
                count += 1
        await worker.stop()

    asyncio.run(scenario())


def test_the_kernel_would_rather_end_the_index_worker_than_the_daemon() -> None:
    async def scenario() -> None:
        worker = await WorkerProcess.start_process(
            command(READY + "channel.receive_message()", oom_score_adj=800, nice=5)
        )
        pid = worker.info.pid
        assert oom_score_adj_of(pid) == 800
        assert os.getpriority(os.PRIO_PROCESS, pid) == 5
        await worker.stop()
        assert await worker.wait() == 0

    asyncio.run(scenario())


def test_a_worker_without_a_model_reports_the_reason() -> None:
    script = READY.replace(
        '{"op": "ready", **about}', '{"op": "unavailable", "reason": "no weights", "hint": "get some"}'
    )

    async def scenario() -> None:
        with pytest.raises(ModelUnavailableError, match="no weights"):
            await WorkerProcess.start_process(command(script))

    asyncio.run(scenario())
