"""The systemd units are such as systemd accepts, and sd_notify speaks as systemd hears."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from phsearch.adapters.linux.systemd import SystemdNotifier, listen_socket
from phsearch.errors import PhsearchError
from phsearch.installer import units

SYSTEMD = Path(__file__).parents[3] / "systemd"
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine"
)


def analyze(runtime: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    command = ["systemd-analyze", "--user", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@needs_analyze
@pytest.mark.parametrize("fitted", [False, True], ids=["as they are", "installed"])
def test_every_unit_passes_verification(tmp_path: Path, fitted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    values = units.UnitValues(
        command=(sys.executable, "-c", "%h $x"),
        state=str(tmp_path / "a b %"),
        downloads="/d",
        memory_high="25%",
        env={"HF_HOME": "/d e"},
    )
    for name in (units.SERVICE, units.SOCKET, units.SANDBOX):
        text = (SYSTEMD / name).read_text()
        file = tmp_path / "units" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(units.render(text, values) if fitted else text)
    folder = tmp_path / "units"
    done = analyze(tmp_path, "verify", "--recursive-errors=no", folder / units.SERVICE, folder / units.SOCKET)
    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
def test_the_exposure_is_no_greater_than_the_manual_says(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--threshold=22", SYSTEMD / units.SERVICE)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges no files")
    assert done.returncode == 0, done.stdout[-200:]


def test_the_notifier_sends_datagrams_to_the_socket_it_was_given(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        notifier = SystemdNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
        notifier.notify_ready()
        notifier.notify_status("3 photos")
        notifier.watchdog_ping()
        notifier.notify_status("lost: a\nMAINPID=1\r.png")
        notifier.notify_stopping()
        assert [systemd.recv(100) for _ in range(5)] == [
            b"READY=1",
            b"STATUS=3 photos",
            b"WATCHDOG=1",
            b"STATUS=lost: a MAINPID=1 .png",
            b"STOPPING=1",
        ]


def test_the_notifier_is_silent_without_systemd_and_when_systemd_is_gone(tmp_path: Path) -> None:
    SystemdNotifier({}).notify_ready()
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).notify_ready()


def seconds(env: dict[str, str]) -> float | None:
    return SystemdNotifier({"NOTIFY_SOCKET": "/nowhere", **env}).watchdog_seconds


def test_the_watchdog_counts_only_for_the_process_it_names() -> None:
    own = str(os.getpid())
    assert seconds({}) is None
    assert seconds({"WATCHDOG_USEC": "1500000"}) == 1.5
    assert seconds({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": own}) == 1.5
    assert seconds({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}) is None
    assert seconds({"WATCHDOG_USEC": "soon"}) is None


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    assert listen_socket({}) is None
    assert listen_socket({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None


@pytest.mark.parametrize("count", ["", "0", "2", "x"])
def test_another_number_of_sockets_than_one_is_refused_with_the_remedy(count: str) -> None:
    with pytest.raises(PhsearchError) as caught:
        listen_socket({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count})
    assert "phsearch.socket" in caught.value.hint
