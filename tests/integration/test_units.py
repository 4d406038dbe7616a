"""The systemd unit is one systemd accepts, and sd_notify speaks as systemd hears."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from phsearch.adapters.systemd import Notifier

UNITS = sorted((Path(__file__).parents[2] / "systemd").iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
def test_every_unit_passes_verification(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--recursive-errors=no", *UNITS],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_notifier_sends_datagrams_to_the_socket_it_was_given(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        notifier = Notifier({"NOTIFY_SOCKET": address})
        notifier.ready()
        notifier.status("3 photos")
        notifier.stopping()
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"STATUS=3 photos", b"STOPPING=1"]


def test_the_notifier_is_silent_without_systemd_and_when_systemd_is_gone(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
