"""What nobody reads of stderr holds nobody up, and no line is missing without a line that says so."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from phsearch.daemon.background_stderr import BackgroundFile, background_stderr
from support.harness import wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = "y" * 99


class Pipe:
    """A pipe as stderr, which the test reads when it likes."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.pipe()
        fcntl.fcntl(self.theirs, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(self.ours, False)
        self.seen = b""
        self.file: BackgroundFile

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.ours, 1 << 16):
                self.seen += chunk
        return self.seen.decode()

    def lines_up_to(self, last: str) -> list[str]:
        """Read until the line `last` has come."""
        wait_until(lambda: self.read().endswith(f"{last}\n"), f"{last} comes")
        return self.read().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.ours)
    made.file.drain(scaled(10))  # what still waits gets EPIPE, before the number is another file's
    os.close(made.theirs)


@contextlib.contextmanager
def writing_to(pipe: Pipe) -> Iterator[None]:
    with (
        open(pipe.theirs, "w", encoding="utf-8", closefd=False) as stderr,
        contextlib.redirect_stderr(stderr),
        background_stderr(describe) as pipe.file,
    ):
        yield


def describe(count: int) -> str:
    return f"lost {count}\n"


def write_lines(count: int) -> None:
    for number in range(count):
        sys.stderr.write(f"{number} {LINE}\n")


def test_lines_come_in_order_and_all_of_them_before_the_end(pipe: Pipe) -> None:
    with writing_to(pipe):
        write_lines(3)
    assert pipe.read() == f"0 {LINE}\n1 {LINE}\n2 {LINE}\n"


def test_a_pipe_that_nobody_reads_blocks_neither_the_writer_nor_the_end(pipe: Pipe) -> None:
    start = time.monotonic()
    with writing_to(pipe):
        write_lines(30_000)
        assert time.monotonic() - start < scaled(10)
    assert 2 <= time.monotonic() - start < scaled(20), "the last lines get some seconds and no more"
    assert pipe.read()


def test_the_lines_that_are_lost_are_counted_in_their_place_once_somebody_reads_again(pipe: Pipe) -> None:
    def accounted() -> int:
        """Return the number after that of the last line, where a line "lost N" stands for N of them."""
        number = 0
        for line in pipe.read().splitlines(keepends=True):
            if line == "after\n" or not line.endswith("\n"):
                break
            if line.startswith("lost "):
                number += int(line.split()[1])
            else:
                assert line == f"{number} {LINE}\n"
                number += 1
        return number

    with writing_to(pipe):
        write_lines(30_000)
        wait_until(lambda: accounted() == 30_000, "all are written or counted")
        sys.stderr.write("after\n")
        assert 5_000 < len(pipe.lines_up_to("after")) < 30_000
    assert accounted() == 30_000


def test_a_pipe_that_another_program_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.theirs, False)
    with writing_to(pipe):
        write_lines(1_000)
        assert len(pipe.lines_up_to(f"999 {LINE}")) == 1_000


def test_a_full_disk_loses_lines_and_ends_nothing(tmp_path: Path) -> None:
    with (
        open("/dev/full", "wb", buffering=0) as full,
        open(tmp_path / "log", "wb", buffering=0) as log,
        open(full.fileno(), "w", encoding="utf-8", closefd=False) as stderr,
        contextlib.redirect_stderr(stderr),
        background_stderr(describe) as file,
    ):
        write_lines(3)
        file.drain(scaled(10))
        os.dup2(log.fileno(), full.fileno())
        sys.stderr.write("there is room again\n")
    assert (tmp_path / "log").read_text() == "there is room again\nlost 3\n"
