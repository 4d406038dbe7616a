"""A daemon that is given its socket as systemd does it, but without systemd; and installing where there is none."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.harness import COLOUR_DAEMON, PHSEARCHD, Daemon, photo, wait_until
from support.time_limits import scaled

# What systemd does between fork and exec.
_HANDING = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])"
)


class Activated:
    """A daemon's socket, listening before there is a daemon."""

    def __init__(self, home: Path, settings: str = "", kind: int = socket.SOCK_STREAM) -> None:
        self.daemon = Daemon(home, settings=settings)
        self.daemon.socket.parent.mkdir(parents=True)
        self.listener = socket.socket(socket.AF_UNIX, kind)
        self.listener.bind(str(self.daemon.socket))

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        number = str(self.listener.fileno())
        with self.daemon.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", _HANDING, number, *COLOUR_DAEMON, "--root", str(self.daemon.photos), *options],
                env=self.daemon.env,
                pass_fds=(self.listener.fileno(),),
                stderr=log,
            )


@pytest.fixture
def activated(tmp_path: Path) -> Activated:
    activated = Activated(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n")
    activated.listener.listen(8)
    return activated


def test_requests_before_the_start_are_answered_after_it(activated: Activated) -> None:
    photo(activated.daemon.photos / "x.png", "red")
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(str(activated.daemon.socket))
        early.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n')
        process = activated.start()
        early.settimeout(scaled(60))
        assert json.loads(early.makefile("rb").readline())["result"]["pid"] == process.pid
    activated.daemon.becomes(photos=1, pending=0)
    for worker in children(process.pid):
        environment = Path(f"/proc/{worker}/environ").read_bytes()
        assert b"LISTEN_" not in environment
        assert not os.path.exists(f"/proc/{worker}/fd/3") or "socket" not in os.readlink(f"/proc/{worker}/fd/3")
    process.terminate()
    assert process.wait(scaled(30)) == 0
    assert activated.daemon.socket.exists(), "the socket is not the daemon's to remove"
    second = activated.start()
    assert activated.daemon.status()["pid"] == second.pid, "and it serves the next daemon"
    second.terminate()
    assert second.wait(scaled(30)) == 0
    activated.listener.close()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_daemon_that_cannot_start_tells_every_waiting_client(tmp_path: Path) -> None:
    activated = Activated(tmp_path, settings="rots = []\n")
    activated.listener.listen(8)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for number, client in enumerate(clients):
        client.settimeout(scaled(60))
        client.connect(str(activated.daemon.socket))
        client.sendall(b'{"jsonrpc":"2.0","id":%d,"method":"status"}\n' % number)
    assert activated.start().wait(scaled(60)) == 78
    for number, client in enumerate(clients):
        answer = json.loads(client.makefile("rb").readline())
        assert (answer["id"], answer["error"]["data"]["type"]) == (number, "CannotStart")
        assert 'unknown key "rots"' in answer["error"]["message"]
        assert 'did you mean "roots"?' in answer["error"]["data"]["hint"]
        client.close()
    activated.listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        activated.listener.accept()
    activated.listener.close()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagrams", "not listening"])
def test_a_socket_of_another_kind_is_refused(tmp_path: Path, kind: int) -> None:
    activated = Activated(tmp_path, kind=kind)
    assert activated.start().wait(scaled(60)) == 1
    assert "is not a listening Unix stream socket" in activated.daemon.log.read_text()
    activated.listener.close()


def test_a_daemon_started_by_hand_leaves_a_socket_alone_that_took_its_place(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    daemon.socket.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(daemon.socket))
        other.listen()
        assert daemon.stop() == 0
        assert daemon.socket.exists()


def install(daemon: Daemon, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [*PHSEARCHD, "install", *options]
    return subprocess.run(
        command,
        env=daemon.env | env,
        capture_output=True,
        text=True,
        timeout=scaled(60),
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_where_there_is_no_systemd_install_says_what_is_missing_and_how_to_do_without(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    done = install(daemon, "--root", str(daemon.photos), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "there is no systemd on this machine (no systemctl)" in done.stderr
    assert "@reboot " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    config = tmp_path / "config" / "phsearch" / "config.toml"
    assert f'roots = ["{daemon.photos}"]' in config.read_text()
    assert not (tmp_path / "config" / "systemd").exists()
    assert subprocess.run([*PHSEARCHD, "uninstall"], env=daemon.env | {"PATH": ""}, check=False).returncode == 0
    assert config.exists()


@pytest.mark.skipif(shutil.which("systemctl") is None, reason="there is no systemctl on this machine")
def test_where_no_manager_runs_for_the_user_install_says_so(tmp_path: Path) -> None:
    done = install(Daemon(tmp_path))
    assert done.returncode == 1
    assert "not started by systemd" in done.stderr or "no service manager runs for" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be mistaken for somebody else")
def test_sudo_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    os.chown(tmp_path, 65534, 65534)
    done = install(daemon)
    assert done.returncode == 1
    assert "without sudo" in done.stderr
    assert not (tmp_path / "config").exists()


def test_settings_that_are_there_are_checked_and_never_written_over(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings='roots = ["~/photos"]\n')
    done = install(daemon, "--root", "/elsewhere", "/more")
    assert done.returncode == 78
    assert 'write roots = ["/elsewhere", "/more"] into it' in done.stderr
    bad = Daemon(tmp_path / "other", settings="rots = []\n")
    assert install(bad).returncode == 78


def test_options_of_running_are_not_taken_for_those_of_installing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    command = [*PHSEARCHD, "--model", "ViT-B-32", "install"]
    done = subprocess.run(command, env=daemon.env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the service runs with the settings in config.toml" in done.stderr
    assert not (tmp_path / "config").exists()


def test_purge_asks_and_never_removes_the_index_of_a_running_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    (daemon.state / "index").mkdir(parents=True)
    (daemon.state / "index" / "data").write_text("")

    def purge(*options: str) -> subprocess.CompletedProcess[str]:
        command = [*PHSEARCHD, "uninstall", "--purge", *options]
        return subprocess.run(
            command,
            env=daemon.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=scaled(60),
            check=False,
        )

    assert "say --yes to mean it" in purge().stderr
    with (daemon.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = purge("--yes")
        assert (done.returncode, "a phsearchd uses" in done.stderr) == (1, True)
    assert (daemon.state / "index" / "data").exists()

    elsewhere = tmp_path / "elsewhere"
    daemon.state.rename(elsewhere)
    daemon.state.symlink_to(elsewhere)
    assert "it is a link" in purge("--yes").stdout
    assert (elsewhere / "index" / "data").exists()
    daemon.state.unlink()
    elsewhere.rename(daemon.state)
    assert purge("--yes").returncode == 0
    wait_until(lambda: not daemon.state.exists(), "the state is gone", 1)
