"""Whoever the owner is at the moment - cron, su, ssh, a session - reaches the one daemon of this user."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from phsearch.client import Client
from support.harness import COLOUR_DAEMON, Daemon, photo, run_client, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    photo(tmp_path / "photos" / "red.jpg", "red")
    with running(tmp_path) as daemon:
        daemon.settled()
        yield daemon


def without(env: dict[str, str], *names: str, **others: str) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in names} | others


def test_every_environment_of_the_user_leads_to_the_daemon(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    environments = {
        "cron": without(daemon.env, "XDG_RUNTIME_DIR"),
        "empty": without(daemon.env, XDG_RUNTIME_DIR=""),
        "a new session": without(daemon.env, XDG_RUNTIME_DIR=str(tmp_path / "other")),
        "gone": without(daemon.env, XDG_RUNTIME_DIR=str(tmp_path / "gone")),
        "no folder": without(daemon.env, XDG_RUNTIME_DIR=str(daemon.log)),
    }
    for name, env in environments.items():
        done = run_client(env, "-0", "red")
        assert done.stdout == f"{daemon.photos}/red.jpg\0", (name, done.stderr)
    assert "ok\tdaemon" in run_client(environments["cron"], "doctor").stdout
    textfile = tmp_path / "phsearch.prom"
    assert run_client(environments["cron"], "metrics", "--textfile", str(textfile)).returncode == 0
    assert "phsearch_up 1" in textfile.read_text()


def test_a_session_reaches_a_daemon_that_was_started_without_a_runtime_directory(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "red.jpg", "red")
    daemon = Daemon(tmp_path)
    session = dict(daemon.env)
    del daemon.env["XDG_RUNTIME_DIR"]
    daemon.socket = daemon.state / "run" / "phsearch.sock"
    daemon.start()
    try:
        daemon.settled()
        assert run_client(session, "-0", "red").stdout == f"{daemon.photos}/red.jpg\0"
    finally:
        daemon.stop()


def test_a_socket_that_was_given_is_the_only_one_that_is_asked(daemon: Daemon, tmp_path: Path) -> None:
    done = run_client(daemon.env, "--socket", str(tmp_path / "no.sock"), "red")
    assert (done.returncode, "there is no socket at" in done.stderr) == (69, True)


def reached(daemon: Daemon) -> bool:
    return run_client(daemon.env, "red").returncode == 0


def test_a_removed_socket_is_made_anew(daemon: Daemon) -> None:
    daemon.socket.unlink()
    wait_until(daemon.socket.exists, "there is a socket again")
    assert reached(daemon)
    assert (daemon.socket.stat().st_mode & 0o777, daemon.socket.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_socket_comes_back_with_the_runtime_directory_and_is_elsewhere_meanwhile(daemon: Daemon) -> None:
    runtime = daemon.socket.parents[1]
    shutil.rmtree(runtime)
    wait_until(lambda: reached(daemon), "it is reached without a runtime directory")
    assert (daemon.state / "run" / "phsearch.sock").exists()
    runtime.mkdir(mode=0o700)
    wait_until(daemon.socket.exists, "there is a socket at the usual place again")
    wait_until(lambda: not (daemon.state / "run" / "phsearch.sock").exists(), "the other one is gone")
    assert reached(daemon)
    assert daemon.stop() == 0
    assert not daemon.socket.exists()


def test_an_open_connection_survives_the_loss_of_the_name(daemon: Daemon) -> None:
    with Client(daemon.socket, scaled(20)) as open_client:
        open_client.call("status")
        daemon.socket.unlink()
        wait_until(daemon.socket.exists, "there is a socket again")
        assert open_client.call("status")["photos"] == 1


def test_a_second_daemon_names_the_first_and_how_to_end_it(daemon: Daemon) -> None:
    second = subprocess.run(
        COLOUR_DAEMON, env=daemon.env, capture_output=True, text=True, timeout=scaled(60), check=False
    )
    assert second.returncode == 1
    assert f"process {daemon.pid}, listening on {daemon.socket}" in second.stderr
    assert f"kill {daemon.pid}" in second.stderr


def test_a_daemon_that_holds_the_lock_and_does_not_listen_is_named(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.state.mkdir(parents=True)
    with (daemon.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run_client(daemon.env, "red")
    assert done.returncode == 69
    assert f"phsearchd runs (process {os.getpid()}), but cannot be reached" in done.stderr
    assert "phsearchd is not running" in run_client(daemon.env, "red").stderr
