"""Frames between daemon and worker: a worker notices at every moment that its daemon was killed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from phsearch.service.workers.frames import WorkerChannel, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME = encode({"op": "embed", "batch": 1}, b"payload")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, WorkerChannel]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, WorkerChannel(theirs)


def test_a_frame_arrives_as_it_was_encoded(ends: tuple[socket.socket, WorkerChannel]) -> None:
    ours, channel = ends
    ours.sendall(FRAME)
    assert channel.receive_message() == ({"op": "embed", "batch": 1}, b"payload")


@pytest.mark.parametrize("cut", [0, 3, 8, 12, len(FRAME) - 1])
def test_a_daemon_killed_in_the_middle_of_a_frame_is_gone(ends: tuple[socket.socket, WorkerChannel], cut: int) -> None:
    ours, channel = ends
    ours.sendall(FRAME[:cut])
    ours.close()
    assert channel.receive_message() is None


def test_a_daemon_killed_before_it_read_what_was_sent_is_gone(ends: tuple[socket.socket, WorkerChannel]) -> None:
    ours, channel = ends
    channel.send_message({"op": "begun", "path": "/x"})
    ours.close()  # with that still unread, the kernel resets the connection
    assert channel.receive_message() is None
