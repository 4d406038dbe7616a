"""`doctor` on a real daemon, or without one: every condition here is a real one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.cli import probes
from phsearch.cli.doctor_checks import DoctorRun
from phsearch.client import Client
from support.fakes import SILENCE, Refusal, ScriptedDaemon
from support.harness import COLOUR_DAEMON, Daemon, photo, running, wait_until
from support.machine import hung_fs, namespaces
from support.machine.mounting import MountingDaemon, needs_mounts
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = "[watch]\nsettle_seconds = 0.2\n"
BRIEFLY = scaled(0.2)


class Doctor:
    """What one run of the doctor said."""

    def __init__(self, daemon: Daemon, *options: str) -> None:
        started = time.monotonic()
        done = daemon.cli("doctor", "--json", *options, check=False)
        self.seconds = time.monotonic() - started
        assert done.stderr == ""
        self.status = done.returncode
        self.checks: list[dict[str, str]] = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(check["remedy"] for check in self.checks if check["state"] != "ok")
        assert self.status == any(check["state"] == "fail" for check in self.checks)

    def __getitem__(self, name: str) -> dict[str, str]:
        (check,) = [check for check in self.checks if check["name"] == name]
        return check

    def ill(self) -> set[str]:
        """Return the names of the checks that are not ok."""
        return {check["name"] for check in self.checks if check["state"] != "ok"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("home")
    photo(home / "photos" / "a.png", "red")
    with running(home, settings=QUICK) as daemon:
        daemon.becomes(photos=1, pending=0)
        yield daemon


def test_what_is_persisted_and_makes_no_sense_is_named_and_stops_no_start(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "[2024-01] Trip" / "a.png", "red")
    photo(tmp_path / "photos" / "noise" / "b.png", "red")
    rules = ["[2024-01] Trip/", "Trip\\\\", "!", "noise/"]
    daemon = Daemon(tmp_path, settings=f"[watch]\nsettle_seconds = 0.2\nignore = {json.dumps(rules)}\n")
    (daemon.state / "index").mkdir(parents=True)
    (daemon.state / "pause.json").write_text(f'{{"until": {10**400}}}')
    (daemon.state / "index" / "removed.json").write_text('[{"path": "/x", "since": "x", "keep": false}]')
    bad = {"name": "bad", "query": 'in:"Trip*\\\\"', "limit": 10**400, "band": "", "folder": True}
    (daemon.state / "albums.json").write_text(json.dumps([bad, bad | {"name": "fine", "query": "in:Trip*\\"}, 7]))
    daemon.start()
    try:
        daemon.becomes(photos=1, pending=0, errors=0)
        named = {(check["name"], check["text"]) for check in Doctor(daemon).checks if check["state"] == "warn"}
        for part, text in (
            ("ignore rules", 'the rule "[2024-01] Trip/" in "watch.ignore": the range "4-0" is empty'),
            ("ignore rules", 'the rule "!" in "watch.ignore": there is nothing to match'),
            ("pause", "indexing is not paused"),
            ("removed folders", "the grace days of removed folders begin again"),
            ("albums", "was set aside as"),
        ):
            assert any(name == part and text in said for name, said in named), (part, named)
        assert [album["name"] for album in daemon.call("albums.list")["albums"]] == ["bad", "fine"]
        for query in ('in:"[2024-01] Trip"', "in:?2024-01]*"):
            assert len(daemon.call("search", query=query)["hits"]) == 1
        assert daemon.cli("--under", "[2024-01] Trip", "red").stdout
        daemon.stop()
        daemon.start()
        daemon.becomes(photos=1, pending=0)
        assert "Traceback" not in daemon.log.read_text()
    finally:
        daemon.stop()


def test_a_healthy_daemon_has_nothing_but_ok(daemon: Daemon) -> None:
    doctor = Doctor(daemon)
    of_the_machine = {"unit", "linger", "disk", "inotify instances"}
    assert doctor.ill() <= of_the_machine | {"relevance"}, doctor.checks
    assert doctor["relevance"]["remedy"].startswith("phsearch-client model calibrate DIR"), "colours are no model"
    assert doctor["daemon"]["text"].startswith(f"pid {daemon.pid} answers in ")
    assert doctor["lock"]["text"] == f"{daemon.state} is held by pid {daemon.pid}"
    assert doctor["root"]["text"] == f"{daemon.photos}: watching, 1 photo, 1 folder watched"
    assert re.search(r"photos_mini_[0-9a-f]{8} \(schema 3\): 1 row in 1 fragment", doctor["index"]["text"])
    assert doctor["model"]["text"] == "mini, 4 dimensions, sha256 colours"
    assert doctor["index worker"]["text"] == "running, started once"
    assert "Python 3." in doctor["versions"]["text"]
    assert doctor["inotify watches"]["text"].startswith("2 here, ")  # the folder of photos and that of the socket
    assert doctor["memory"]["text"].count("MB") >= 3


def test_in_a_pipe_each_line_has_four_columns_and_on_a_terminal_the_remedy_stands_below(daemon: Daemon) -> None:
    daemon.socket.parent.chmod(0o755)
    try:
        rows = [line.split("\t") for line in daemon.cli("doctor", check=False).stdout.splitlines()]
        assert all(len(row) == 4 for row in rows)
        folder = daemon.socket.parent
        open_to_others = ["fail", "socket folder", f"{folder} is open to others: mode 0755", f"chmod 700 {folder}"]
        assert open_to_others in rows
        command = f"{sys.executable} -m phsearch.cli doctor"
        done = subprocess.run(
            ["script", "-qec", command, "/dev/null"],
            env={**daemon.env, "TERM": "xterm", "COLUMNS": "70"},
            capture_output=True,
            text=True,
            timeout=scaled(60),
            check=False,
        )
    finally:
        daemon.socket.parent.chmod(0o700)
    assert "\x1b[31mfail  \x1b[m" in done.stdout
    assert "\x1b[32mok    \x1b[m" in done.stdout
    assert f"-> chmod 700 {folder}" in done.stdout


@pytest.mark.parametrize(("name", "mode"), [("socket folder", 0o755), ("socket", 0o666), ("state folder", 0o750)])
def test_what_others_may_enter_fails_and_the_remedy_helps(daemon: Daemon, name: str, mode: int) -> None:
    place = {"socket folder": daemon.socket.parent, "socket": daemon.socket, "state folder": daemon.state}[name]
    before = place.stat().st_mode
    place.chmod(mode)
    try:
        doctor = Doctor(daemon)
        assert (doctor[name]["state"], doctor.status) == ("fail", 1)
        subprocess.run(doctor[name]["remedy"], shell=True, check=True)
        assert Doctor(daemon)[name]["state"] == "ok"
    finally:
        place.chmod(before)


def test_settings_that_are_wrong_or_everybodys_are_named(daemon: Daemon) -> None:
    file = daemon.home / "config" / "phsearch" / "config.toml"
    file.chmod(0o666)
    found = Doctor(daemon)["config"]
    assert (found["state"], found["remedy"]) == ("warn", f"chmod o-w {file}")
    file.chmod(0o600)
    file.write_text("[watch]\nsetle_seconds = 1\n")
    found = Doctor(daemon)["config"]
    assert (found["state"], found["remedy"]) == ("fail", 'did you mean "watch.settle_seconds"?')
    file.write_text("roots = [\n")
    assert "not valid TOML" in Doctor(daemon)["config"]["text"]
    file.write_text(QUICK)
    assert Doctor(daemon)["config"]["state"] == "ok"


def test_a_photo_that_cannot_be_read_a_dead_worker_and_a_folder_that_is_gone_are_seen(tmp_path: Path) -> None:
    with running(tmp_path, settings=QUICK) as daemon:
        photo(daemon.photos / "a.png", "red")
        (daemon.photos / "b.png").write_bytes(b"no picture")
        daemon.becomes(photos=1, errors=1, pending=0)
        assert Doctor(daemon)["errors"]["text"] == "1 photo could not be read"
        os.kill(daemon.workers()[0], signal.SIGKILL)
        wait_until(lambda: "died" in Doctor(daemon)["query worker"]["text"], "the death is told")
        assert "killed (SIGKILL)" in Doctor(daemon)["query worker"]["text"]
        daemon.photos.rename(tmp_path / "away")
        wait_until(lambda: daemon.status()["roots"][0]["state"] == "offline", "it is offline")
        found = Doctor(daemon)["root"]
        assert found["state"] == "warn"
        assert "its folder is" in found["text"]
        assert f"phsearch-client confirm-deletions {daemon.photos}" in found["remedy"]


def test_a_halted_daemon_and_a_dead_one_are_told_apart_and_nothing_waits_for_them(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    assert Doctor(daemon)["daemon"]["text"] == f"not running: there is no socket at {daemon.socket}"
    daemon.start()
    try:
        os.kill(daemon.pid, signal.SIGSTOP)
        doctor = Doctor(daemon, "--timeout", "1")
        assert (doctor["daemon"]["state"], doctor["daemon"]["remedy"]) == ("fail", f"kill -CONT {daemon.pid}")
        assert doctor.seconds < scaled(15)
        subprocess.run(doctor["daemon"]["remedy"], shell=True, check=True)
        assert Doctor(daemon)["daemon"]["state"] == "ok"
        other = Doctor(daemon, "--socket", str(tmp_path / "other"))
        assert "there is no socket" in other["daemon"]["text"]
    finally:
        daemon.kill()
    doctor = Doctor(daemon)
    assert "which a former one left behind" in doctor["daemon"]["text"]
    assert doctor["lock"]["text"] == f"nobody uses {daemon.state}"
    assert "disk" in {check["name"] for check in doctor.checks}


def test_without_a_daemon_the_folders_of_the_settings_are_looked_at(tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "od\x1b[31m d"
    there.mkdir()
    settings = f'roots = ["{there}", "{tmp_path}/od\\u001b[31m d"]\n'
    daemon = Daemon(tmp_path, settings=settings)
    roots = {check["text"]: check["state"] for check in Doctor(daemon).checks if check["name"] == "root"}
    assert roots == {str(there): "ok", f"{gone} is not there": "warn"}
    assert "\x1b" not in daemon.cli("doctor", "--json", check=False).stdout


@pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())
def test_a_folder_that_hangs_is_a_line_and_no_wait(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    daemon = Daemon(tmp_path, settings=f'roots = ["{share}"]\n')
    with hung_fs.hung(share):
        doctor = Doctor(daemon)
    assert doctor["root"]["text"] == f"{share}: it did not answer within 2 s"
    assert doctor["root"]["remedy"] == f"findmnt --target {share}"
    assert doctor.seconds < scaled(30)


@pytest.mark.skipif(bool(namespaces.why_not()), reason=namespaces.why_not())
def test_too_few_watches_come_with_the_line_that_raises_the_limit_for_good(tmp_path: Path) -> None:
    for number in range(11):
        photo(tmp_path / "photos" / f"{number}" / "a.png", "red")
    with running(tmp_path, namespaces.limited(*COLOUR_DAEMON, watches=5), QUICK) as daemon:
        daemon.becomes(photos=11, pending=0)
        doctor = Doctor(daemon)
    watches = doctor["inotify watches"]
    assert watches["state"] == "warn"
    assert watches["text"].startswith("5 here, 5 of all your programs, of 5 (user.max_inotify_watches)")
    assert watches["text"].endswith("not watched but scanned on a timer: 8 folders")
    assert watches["remedy"].startswith("echo user.max_inotify_watches=20 | sudo tee /etc/sysctl.d/60-")
    assert doctor["root"]["text"].endswith("4 folders watched, 8 not")


@pytest.mark.skipif(bool(namespaces.why_not()), reason=namespaces.why_not())
def test_without_an_inotify_instance_nothing_is_watched_and_that_is_said(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "a.png", "red")
    with running(tmp_path, namespaces.limited(*COLOUR_DAEMON, instances=0), QUICK) as daemon:
        daemon.becomes(photos=1, pending=0)
        instances = Doctor(daemon)["inotify instances"]
    assert instances["state"] == "warn"
    assert "nothing is watched" in instances["text"]
    assert "echo user.max_inotify_instances=" in instances["remedy"]


@needs_mounts
def test_a_disk_without_room_fails(tmp_path: Path) -> None:
    daemon = MountingDaemon(tmp_path, settings=QUICK)
    try:
        daemon.state.mkdir(parents=True)
        daemon.inside("mount", "-t", "tmpfs", "-o", "size=40m,mode=700", "full", str(daemon.state))
        daemon.start()
        disk = Doctor(daemon)["disk"]
        assert disk["state"] == "fail"
        assert "free of 41.9 MB" in disk["text"]
        assert f"du -xh --max-depth=1 {daemon.state}" in disk["remedy"]
    finally:
        daemon.close()


def test_an_index_of_other_weights_fails_with_the_way_out(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    photo(daemon.photos / "a.png", "red")
    daemon.start()
    daemon.becomes(photos=1, pending=0)
    daemon.stop()
    daemon.env["COLOURS"] = "others"
    daemon.start()
    try:
        wait_until(lambda: daemon.status()["model"]["state"] == "mismatch", "the mismatch is seen")
        model = Doctor(daemon)["model"]
        assert model["state"] == "fail"
        assert "phsearchd --rebuild" in model["remedy"]
    finally:
        daemon.stop()


STATUS = {"version": "9.8.7", "protocol": 1, "pid": 4711}
TOO_OLD = Refusal("MethodNotFound", 'there is no method "doctor"')


@pytest.mark.parametrize(
    ("script", "name", "state", "text"),
    [
        ({"status": STATUS, "doctor": TOO_OLD}, "versions", "warn", "daemon 9.8.7: another version is installed"),
        ({"status": STATUS, "doctor": TOO_OLD}, "daemon", "warn", "too old to look at itself"),
        ({"status": STATUS | {"protocol": 2}, "doctor": TOO_OLD}, "versions", "fail", "protocol 1, the daemon 2"),
        ({"status": STATUS, "doctor": SILENCE}, "daemon", "fail", "did not look at itself"),
        ({"status": SILENCE}, "daemon", "fail", f"did not answer within {BRIEFLY:g} s"),
        ({"status": b"220 smtp ready\n"}, "daemon", "fail", "does not speak phsearch's protocol"),
    ],
)
def test_a_daemon_of_another_kind_is_told_and_the_rest_is_still_looked_at(
    tmp_path: Path, script: dict[str, Any], name: str, state: str, text: str
) -> None:
    daemon = Daemon(tmp_path)
    daemon.socket.parent.mkdir()
    with ScriptedDaemon(daemon.socket, script):
        doctor = Doctor(daemon, "--timeout", str(BRIEFLY))
    said = [(check["state"], check["text"]) for check in doctor.checks if check["name"] == name]
    assert any(state == each and text in words for each, words in said), said
    assert {"config", "root", "disk"} <= {check["name"] for check in doctor.checks}


def test_places_of_another_user_are_not_ours(daemon: Daemon) -> None:
    with Client(daemon.socket) as client:
        checks = {check.name: check for check in DoctorRun(client=client, env=daemon.env, uid=os.getuid() + 1).checks()}
    assert {name: checks[name].state for name in ("socket folder", "socket", "state folder", "config")} == {
        "socket folder": "fail",
        "socket": "fail",
        "state folder": "fail",
        "config": "ok" if os.getuid() == 0 else "warn",
    }


def test_settings_that_are_a_link_to_nowhere_are_not_the_defaults(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "phsearch").mkdir()
    (tmp_path / "phsearch" / "config.toml").symlink_to("/mnt/usb/config.toml")
    with Client(daemon.socket) as client:
        env = daemon.env | {"XDG_CONFIG_HOME": str(tmp_path)}
        check = next(
            each for each in DoctorRun(client=client, env=env, uid=os.getuid()).checks() if each.name == "config"
        )
    assert check.state == "fail"
    assert "is a link to /mnt/usb/config.toml, which is not there" in check.text


# --- systemd, by what its programs print ---------------------------------------------------------------------------


def program(folder: Path, script: str) -> str:
    file = folder / "systemctl"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_what_systemctl_shows_is_read_and_asked_for_by_name(tmp_path: Path) -> None:
    fake = program(tmp_path, 'echo "$@" > "$0.asked"; echo LoadState=loaded; echo ExecStart={ path=/x }')
    shown, problem = probes.show_properties(fake, "--user", "show", "phsearch.service", "LoadState", "ExecStart")
    assert (shown, problem) == ({"LoadState": "loaded", "ExecStart": "{ path=/x }"}, "")
    asked = "--user show phsearch.service --property=LoadState --property=ExecStart\n"
    assert Path(f"{fake}.asked").read_text() == asked


def test_a_systemctl_that_fails_or_hangs_or_is_not_there_is_a_problem_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = program(tmp_path, "echo Failed to connect to bus: No medium found >&2; exit 1")
    assert probes.show_properties(fake, "show") == ({}, "Failed to connect to bus: No medium found")
    monkeypatch.setattr(probes, "_SYSTEMD_SECONDS", 0.2)
    fake = program(tmp_path, "exec sleep 60")
    assert probes.show_properties(fake, "show") == ({}, f"{fake} did not answer within 0.2 s")
    assert "cannot be run" in probes.show_properties(str(tmp_path / "none"), "show")[1]


def test_the_program_of_a_unit_is_looked_up_where_the_unit_would(tmp_path: Path) -> None:
    file = program(tmp_path, "true")
    assert probes.find_program("systemctl", str(tmp_path)) == file
    assert probes.find_program(file, "") == file
    assert probes.find_program("systemctl", str(tmp_path / "none")) is None
    assert probes.find_program("", "") is None
