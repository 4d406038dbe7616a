"""Who gets at the daemon, its files, and what lies outside its folders: its own user, and nobody by a trick."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.client import Client
from phsearch.errors import DaemonUnreachableError, RemoteError
from support.harness import Daemon, daemon_program, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER_USER_DAEMON = daemon_program("other_user")
QUICK = "[watch]\nsettle_seconds = 0.2\n"
ASK = """
import os, socket, sys
folder, name = os.path.split(sys.argv[1])
where = os.open(folder, os.O_PATH)
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
raw = socket.socket(socket.AF_UNIX)
raw.settimeout(60)
try:
    raw.connect(f"/proc/self/fd/{where}/{name}" if sys.argv[2] == "inside" else sys.argv[1])
    raw.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\\n')
    print(raw.recv(1000) or "hung up")
except OSError as error:
    print(type(error).__name__)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("access")
    (home / "outside").mkdir()
    photo(home / "outside" / "secret.png", "green")
    with running(home, settings=QUICK) as daemon:
        photo(daemon.photos / "red.png", "red")
        daemon.becomes(photos=1, pending=0)
        yield daemon
        assert daemon.becomes(photos=1, pending=0)["errors"] == 0
        assert "Traceback" not in daemon.log.read_text()


def ask_as_nobody(path: Path, way: str) -> str:
    done = subprocess.run([sys.executable, "-c", ASK, path, way], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@as_root
def test_another_user_is_refused_by_permission_of_the_folder_of_the_socket_and_by_the_peer_check(
    daemon: Daemon,
) -> None:
    folder = daemon.socket.parent
    above = [each for each in folder.parents if each.stat().st_mode & 0o1 == 0]
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in (*above, folder, daemon.socket)}
    try:
        for each in above:
            each.chmod(modes[each] | 0o1)
        assert ask_as_nobody(daemon.socket, "by name") == "PermissionError", "the folder is closed"
        assert ask_as_nobody(daemon.socket, "inside") == "PermissionError"
        folder.chmod(0o711)
        assert ask_as_nobody(daemon.socket, "by name") == "PermissionError", "the socket is closed"
        daemon.socket.chmod(0o666)
        assert ask_as_nobody(daemon.socket, "by name") in {"hung up", "ConnectionResetError", "BrokenPipeError"}
        wait_until(lambda: "refused a connection of another user" in daemon.log.read_text(), "the log says so")
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


@as_root
def test_root_is_another_user_too(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, OTHER_USER_DAEMON)
    with contextlib.ExitStack() as stack:
        for each in (tmp_path, *tmp_path.parents):
            mode = stat.S_IMODE(each.stat().st_mode)
            if mode & 0o5 != 0o5:
                each.chmod(mode | 0o5)
                stack.callback(each.chmod, mode)
        for each in (tmp_path, *tmp_path.rglob("*")):
            os.chown(each, 65534, 65534)
        with daemon.log.open("ab") as log:
            process = subprocess.Popen([*OTHER_USER_DAEMON, "--root", daemon.photos], env=daemon.env, stderr=log)
        try:
            wait_until(daemon.socket.exists, "it listens")
            wait_until(lambda: _refuses(daemon), "it refuses")
            wait_until(lambda: "refused a connection of another user" in daemon.log.read_text(), "the log says so")
            done = daemon.cli("status", check=False)
            assert (done.returncode, done.stdout) == (69, "")
            assert "is that of another user (65534): ask as the user whose daemon it is" in done.stderr
        finally:
            process.terminate()
            process.wait(scaled(20))


def _refuses(daemon: Daemon) -> bool:
    try:
        Client(daemon.socket, 5).call("status")
    except DaemonUnreachableError as error:
        return "is that of another user" in str(error)
    raise AssertionError("root was answered")


def test_files_of_the_state_are_their_owners_alone_also_those_from_a_time_with_another_umask(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    old = daemon.state / "index" / "old"
    old.mkdir(parents=True)
    albums = daemon.state / "albums"
    (albums / "dogs").mkdir(parents=True)
    (albums / "empty").mkdir(mode=0o755)
    (daemon.state / "run").mkdir()
    files = ("pause.json", "albums.json", "albums.damaged", "calibrations", "albums/.dogs", "albums/dogs/mine.txt")
    for path in (old / "file", daemon.state / "lock", *(daemon.state / name for name in files)):
        path.write_text("[]")
        path.chmod(0o644)
    for folder in (daemon.state, daemon.state / "index", old, daemon.state / "run", albums, albums / "dogs"):
        folder.chmod(0o755)
    daemon.start()
    try:
        photo(daemon.photos / "red.png", "red")
        daemon.becomes(photos=1, pending=0)
        loose = [path for path in (daemon.state, *daemon.state.rglob("*")) if path.lstat().st_mode & 0o077]
        assert loose == [albums / "dogs" / "mine.txt"], "a file of the user's stays as it is"
    finally:
        assert daemon.stop() == 0


ESCAPES = [
    "{photos}/../outside/secret.png",
    "{photos}/./../outside",
    "/proc/self/cwd",
    "{home}/outside/secret.png",
    "//etc/passwd",
]
METHODS = {
    "library.why": "path",
    "library.rescan": "path",
    "library.retry": "path",
    "library.confirm_deletions": "root",
}


@pytest.mark.parametrize("escape", [*ESCAPES, "red.png", "{photos}/" + "x/" * 1500, "{photos}/red\0.png", "/dev/zero"])
@pytest.mark.parametrize("method", METHODS)
def test_no_path_leads_out_of_the_folders_whatever_takes_it(daemon: Daemon, method: str, escape: str) -> None:
    path = escape.format(photos=daemon.photos, home=daemon.home)
    try:
        answer: dict[str, Any] = daemon.call(method, **{METHODS[method]: path})
    except RemoteError as error:
        answer = {"kind": error.kind}
    assert answer.get("kind", "OutsideLibrary") in {"OutsideLibrary", "InvalidParams"}
    assert answer.get("verdict", "outside") in {"outside", "missing", "unreadable"}
    assert not answer.get("findable")
    assert answer.get("retried", 0) == 0


def test_what_lies_outside_is_told_from_nothing_by_no_answer(daemon: Daemon) -> None:
    def said(name: str) -> Any:
        return daemon.call("library.why", path=f"{daemon.photos}/../outside/{name}") | {"path": ""}

    assert said("secret.png") == said("nothing.png")


def test_a_link_to_a_photo_or_folder_outside_is_never_indexed_not_by_an_order_either(daemon: Daemon) -> None:
    link, folder = daemon.photos / "link.png", daemon.photos / "folder"
    link.symlink_to(daemon.home / "outside" / "secret.png")
    folder.symlink_to(daemon.home / "outside")
    try:
        for path in (link, folder, folder / "secret.png"):
            daemon.call("library.rescan", path=str(path))
            assert daemon.call("library.why", path=str(path))["verdict"] == "excluded"
        daemon.call("library.rescan")
        daemon.settled()
        assert daemon.found("green") == ["red.png"]
    finally:
        link.unlink()
        folder.unlink()


def test_a_photo_that_turns_into_a_link_after_it_was_seen_is_not_read_there(daemon: Daemon) -> None:
    os.kill(daemon.pid, 19)
    try:
        path = photo(daemon.photos / "turning.png", "blue")
        path.unlink()
        path.symlink_to(daemon.home / "outside" / "secret.png")
    finally:
        os.kill(daemon.pid, 18)
    daemon.settled()
    assert daemon.found("green") == ["red.png"]
    path.unlink()
    daemon.settled()


def test_a_fifo_a_socket_and_a_device_named_like_photos_hold_up_nobody(daemon: Daemon) -> None:
    os.mkfifo(daemon.photos / "fifo.png")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.bind(f"/proc/self/fd/{os.open(daemon.photos, os.O_PATH)}/socket.png")
    daemon.call("library.rescan")
    photo(daemon.photos / "blue.png", "blue")
    daemon.becomes(photos=2, pending=0, errors=2)
    assert "not a regular file" in daemon.errors()["fifo.png"]
    for name in ("fifo.png", "socket.png", "blue.png"):
        (daemon.photos / name).unlink()
    daemon.becomes(photos=1, pending=0, errors=0)
