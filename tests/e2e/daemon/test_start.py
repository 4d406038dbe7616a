"""Starting phsearchd: settings good and bad, sockets stale and foreign, disks full and forbidden."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.harness import PHSEARCHD, Daemon, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("rots = []\n", 'unknown key "rots": did you mean "roots"?'),
        ("[watch]\nhiden = true\n", 'unknown key "watch.hiden": did you mean "watch.hidden"?'),
        ("[watch]\nhidden = 1\n", 'bad value for "watch.hidden": must be true or false'),
        ('[model]\nprecision = "int3"\n', 'bad value for "model.precision": must be one of auto, fp32, bf16, fp16'),
        ("[watch]\nsettle_seconds = -1\n", 'bad value for "watch.settle_seconds": must be between 0.05 and 3600'),
        ('roots = ["Pictures"]\n', '"Pictures" must be an absolute path or start with "~"'),
        ("roots = 5\n", 'bad value for "roots": must be a list of strings'),
        ("model = 5\n", 'bad value for "model": must be a table: [model]'),
        ("[watch\n", "not valid TOML"),
    ],
)
def test_a_bad_setting_names_file_key_and_remedy_and_exits_78(tmp_path: Path, settings: str, said: str) -> None:
    daemon = Daemon(tmp_path, settings=settings)
    done = daemon.run()
    assert done.returncode == 78
    assert str(tmp_path / "config" / "phsearch" / "config.toml") in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_config_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    done = Daemon(tmp_path).run("--config", "/nowhere/config.toml")
    assert done.returncode == 78
    assert "/nowhere/config.toml: no such file" in done.stderr


def test_without_settings_the_pictures_folder_of_the_desktop_is_watched(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "user-dirs.dirs").write_text('XDG_PICTURES_DIR="$HOME/Bilder"\n')
    photo(tmp_path / "Bilder" / "x.png", "red")
    process = subprocess.Popen(daemon._program, env=daemon.env, stderr=subprocess.DEVNULL)
    try:
        wait_until(daemon.socket.exists, "the socket")
        status = daemon.becomes(photos=1, pending=0)
        assert status["roots"][0]["path"] == str(tmp_path / "Bilder")
    finally:
        process.terminate()
        assert process.wait(scaled(20)) == 0
    assert not daemon.socket.exists(), "the socket goes with the daemon"


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(daemon.socket))
    daemon.start()
    assert daemon.status()["photos"] == 0
    daemon.stop()


def test_a_file_in_the_place_of_the_socket_is_not_deleted(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("not a socket")
    done = Daemon(tmp_path).run("--socket", str(precious))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "is not a socket" in done.stderr
    assert precious.read_text() == "not a socket"


def test_a_socket_path_that_is_too_long_is_refused_with_a_remedy(tmp_path: Path) -> None:
    done = Daemon(tmp_path).run("--socket", str(tmp_path / ("x" * 120)))
    assert done.returncode == 1
    assert "choose another place with --socket" in done.stderr


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Daemon(tmp_path).run("--state-dir", str(tmp_path / "file" / "state"))
    assert done.returncode == 1
    assert f"cannot use the state directory {tmp_path / 'file' / 'state'}" in done.stderr


def test_a_damaged_index_is_named_with_the_one_command_that_rebuilds_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n")
    photo(daemon.photos / "x.png", "red")
    daemon.start()
    daemon.becomes(photos=1, pending=0)
    daemon.stop()
    for manifest in daemon.state.rglob("*.manifest"):
        manifest.write_bytes(b"damaged")
    done = daemon.run()
    assert done.returncode == 1
    assert "phsearchd --rebuild" in done.stderr
    assert "Traceback" not in done.stderr
    daemon.start("--rebuild")
    assert daemon.becomes(photos=1, pending=0)["counters"]["embedded"] == 1
    daemon.stop()


def test_a_full_disk_is_said_and_nothing_is_lost_when_there_is_room_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    daemon = Daemon(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n")
    try:
        (disk / "state").mkdir(mode=0o700)
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 4096)
        for number in range(300):
            photo(daemon.photos / f"{number}.png", (number % 256, number // 256, 0))
        daemon.start("--state-dir", str(disk / "state"))

        def said() -> bool:
            return any("no space left" in notice["text"] for notice in daemon.status()["notices"])

        wait_until(said, "the full disk is in status")
        assert daemon.status()["photos"] >= 0
        (disk / "ballast").unlink()
        daemon.becomes(photos=300, pending=0)
        daemon.kill()
        daemon.start("--state-dir", str(disk / "state"))
        assert daemon.settled()["counters"]["embedded"] == 0, "everything had been written"
    finally:
        daemon.stop()
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_model_that_cannot_be_loaded_is_named_in_status_and_the_daemon_stays_up(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, PHSEARCHD)
    photo(daemon.photos / "x.png", "red")
    daemon.start("--model", "ViT-B-33")
    try:
        found = wait_until(lambda: daemon.status()["model"]["reason"], "the reason is in status", 60)
        assert found == 'there is no model "ViT-B-33"'
        assert "ViT-B-32" in daemon.status()["model"]["hint"]
        done = daemon.cli("a", "cat", check=False)
        assert done.returncode == 1
        assert 'there is no model "ViT-B-33"' in done.stderr
        assert "Traceback" not in daemon.log.read_text()
        assert daemon.status()["pending"] == 1, "the photo waits for the model"
    finally:
        daemon.stop()


def test_a_folder_that_may_not_be_read_is_named_and_keeps_nothing_else_from_being_found(tmp_path: Path) -> None:
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv to drop that")
    program = (
        ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups", "--reuid=65534", "--regid=65534")
        if os.getuid() == 0
        else ()
    )
    from support.harness import COLOUR_DAEMON  # noqa: PLC0415 - used here alone

    daemon = Daemon(tmp_path, (*program, *COLOUR_DAEMON), settings="[watch]\nsettle_seconds = 0.2\n")
    photo(daemon.photos / "secret" / "x.png", "red")
    photo(daemon.photos / "open" / "y.png", "green")
    if os.getuid() == 0:
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.chown(path, 65534, 65534)
        for parent in tmp_path.parents:
            if str(parent).startswith("/tmp/") or parent.stat().st_uid == 0:
                continue
    (daemon.photos / "secret").chmod(0)
    if not _reachable_by_nobody(tmp_path):
        pytest.skip("another user cannot reach the temporary directory")
    try:
        daemon.start()
        daemon.becomes(photos=1, pending=0)
        assert daemon.found("green") == ["open/y.png"]
        wait_until(lambda: "secret" in daemon.log.read_text(), "the log says so")
    finally:
        (daemon.photos / "secret").chmod(0o700)
        daemon.stop()


def _reachable_by_nobody(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def test_the_daemon_stops_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        photo(daemon.photos / "x.png", "red")
        daemon.becomes(photos=1)
        workers = daemon.workers()
        assert workers
        assert daemon.stop() == 0
        assert not daemon.socket.exists()
        assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)
