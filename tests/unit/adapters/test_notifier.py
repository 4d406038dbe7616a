"""Messages to systemd never block the daemon."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from phsearch.adapters.linux.systemd import SystemdNotifier
from support.time_limits import scaled

if TYPE_CHECKING:
    from pathlib import Path


def test_heartbeats_to_somebody_who_does_not_read_are_dropped_and_hold_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify"))
        notifier = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"})
        start = time.monotonic()
        for _ in range(2_000):  # more than any kernel queues
            notifier.watchdog_ping()
            notifier.notify_status("busy")
        assert time.monotonic() - start < scaled(60)
        assert deaf.recv(100) == b"WATCHDOG=1"


def test_what_systemd_must_know_arrives_once_it_reads_again(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slow:
        slow.bind(str(tmp_path / "notify"))
        notifier = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.notify_ready()
        assert slow.recv(100) == b"READY=1"
        notifier.notify_stopping()
        assert slow.recv(100) == b"STOPPING=1"
