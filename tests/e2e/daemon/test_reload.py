"""Settings that change while the daemon runs: folders and rules come and go, mistakes change nothing."""

from __future__ import annotations

import functools
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.errors import RemoteError
from support.harness import COLOUR_DAEMON, PHSEARCH_CLIENT, Daemon, photo, running, wait_until
from support.machine import hung_fs
from support.machine.mounting import MountingDaemon, needs_mounts
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = {"embedded": 0, "reused": 0, "removed": 0, "failed": 0}


class Changing(Daemon):
    """A daemon whose settings are written anew at any time; its roots are folders of its home."""

    def __init__(self, home: Path, program: tuple[str, ...] = COLOUR_DAEMON) -> None:
        super().__init__(home, program, settings="roots = []\n")
        self.file = home / "config" / "phsearch" / "config.toml"

    def write(self, *roots: str, **watch: Any) -> None:
        named = ", ".join(f'"{self.home / root}"' for root in roots)
        lines = [f"{key} = {_toml(value)}" for key, value in ({"settle_seconds": 0.2} | watch).items()]
        self.file.write_text("\n".join([f"roots = [{named}]", "[watch]", *lines, ""]))

    def reload(self, *roots: str, **watch: Any) -> dict[str, Any]:
        self.write(*roots, **watch)
        answer: dict[str, Any] = self.call("config.reload")
        return answer

    def begin(self) -> None:
        self.start(from_file=True)

    def shown(self) -> dict[str, str]:
        """Return what a search finds, each with its root, relative to home."""
        hits = self.call("search", query="red", limit=1000)["hits"]
        return {os.path.relpath(hit["path"], self.home): os.path.relpath(hit["root"], self.home) for hit in hits}

    def roots(self) -> list[str]:
        return [os.path.relpath(root["path"], self.home) for root in self.status()["roots"]]

    def resting(self) -> dict[str, int]:
        return {os.path.relpath(root["path"], self.home): root["photos"] for root in self.status()["removed"]}

    def fill(self, folder: str, count: int, red: int = 200, first: int = 0) -> None:
        for number in range(first, first + count):
            photo(self.home / folder / f"{number}.png", (red, number % 256, number // 256))


def _toml(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else repr(value)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Changing]:
    daemon = Changing(tmp_path)
    yield daemon
    if daemon._process is not None:
        daemon.stop()


def test_a_folder_that_is_added_is_indexed_and_one_that_is_removed_is_shown_no_longer(daemon: Changing) -> None:
    daemon.fill("one", 5)
    daemon.fill("two", 7, red=100)
    daemon.write("one")
    daemon.begin()
    daemon.becomes(photos=5, pending=0)
    answer = daemon.reload("two", "one")
    assert [(each["path"], each["photos"]) for each in answer["added"]] == [(str(daemon.home / "two"), 0)]
    daemon.becomes(photos=12, pending=0)
    assert daemon.roots() == ["two", "one"], "in the order of the settings"
    photo(daemon.home / "two" / "new.png", "red")
    daemon.becomes(photos=13, pending=0)

    answer = daemon.reload("one")
    (gone,) = answer["removed"]
    assert (gone["path"], gone["photos"]) == (str(daemon.home / "two"), 8)
    assert gone["forgotten_at"] == pytest.approx(time.time() + 30 * 86400, abs=60)
    assert set(daemon.shown().values()) == {"one"}, "at once"
    assert len(daemon.shown()) == 5
    photo(daemon.home / "two" / "unseen.png", "red")
    assert daemon.settled()["photos"] == 5
    assert daemon.status()["counters"] == NOTHING | {"embedded": 13}
    assert daemon.call("library.why", path=str(daemon.home / "two" / "new.png"))["verdict"] == "outside"

    # Back again: everything is known at once, and only what came meanwhile is embedded.
    (back,) = daemon.reload("one", "two")["added"]
    assert back["photos"] == 8
    assert len(daemon.shown()) >= 13, "at once"
    daemon.becomes(photos=14, pending=0, scanning=False)
    assert daemon.status()["counters"] == NOTHING | {"embedded": 14}
    assert daemon.call("library.verify")["ok"]
    assert daemon.resting() == {}


def test_sighup_does_the_same_and_a_bad_file_changes_nothing(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.fill("two", 3, red=100)
    daemon.write("one")
    daemon.begin()
    daemon.becomes(photos=3, pending=0)
    daemon.write("one", "two")
    os.kill(daemon.pid, signal.SIGHUP)
    before = daemon.becomes(photos=6, pending=0, scanning=False)
    for text, said in (
        ("rots = []\n", 'unknown key "rots": did you mean "roots"?'),
        ("[watch\n", "not valid TOML"),
        ('roots = ["two"]\n', "must be an absolute path"),
        ("[watch]\nhidden = 1\n", "must be true or false"),
        ('[watch]\nignore = ["!"]\n', 'bad ignore rule "!"'),
        ("[watch]\nremoved_roots = 'delete'\n", "must be one of forget, keep"),
    ):
        daemon.file.write_text(text)
        with pytest.raises(RemoteError) as refused:
            daemon.call("config.reload")
        assert refused.value.kind == "BadSettings"
        assert said in refused.value.sentence()
        wait_until(functools.partial(logged, daemon, said), "the log says so, too")
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: daemon.log.read_text().count("remove" + "d_roots") >= 2, "SIGHUP was refused, too")
    done = daemon.cli("reload", check=False)
    assert done.returncode == 1
    assert "must be one of forget, keep" in done.stderr
    after = daemon.status()
    assert (after["photos"], after["roots"]) == (6, before["roots"])
    assert after["counters"] == NOTHING | {"embedded": 6}


def test_roots_inside_one_another_pass_their_photos_on(daemon: Changing) -> None:
    daemon.fill("a", 3)
    daemon.fill("a/b", 3, red=150)
    daemon.fill("a/b/c", 3, red=100)
    daemon.write("a")
    daemon.begin()
    daemon.becomes(photos=9, pending=0, scanning=False)
    number = 9
    for roots in (["a", "a/b"], ["a"], ["a/b"], ["a/b/c", "a"], ["a", "a/b"], ["a"]):
        daemon.reload(*roots)
        daemon.settled()
        inner = sorted(roots, key=len, reverse=True)
        for folder in ("a", "a/b", "a/b/c"):
            photo(daemon.home / folder / f"new {number}.png", "red")
            number += 1
        wanted = {}
        for file in (daemon.home / "a").rglob("*.png"):
            path = os.path.relpath(file, daemon.home)
            if mine := [root for root in inner if path.startswith(f"{root}/")]:
                wanted[path] = mine[0]
        wait_until(lambda: daemon.shown() == wanted, f"what lies in {roots} is shown: {daemon.shown()}")  # noqa: B023
    daemon.becomes(photos=number, pending=0, scanning=False)
    assert daemon.status()["counters"] == NOTHING | {"embedded": number}
    assert daemon.call("library.verify")["ok"]


def test_rules_that_change_take_photos_out_and_in_at_once(daemon: Changing) -> None:
    daemon.fill("one", 10)
    daemon.fill("one/.hidden", 2, red=150)
    daemon.fill("one/drafts", 70, red=100)
    daemon.write("one")
    daemon.begin()
    daemon.becomes(photos=80, pending=0, scanning=False)
    assert daemon.reload("one", ignore=["drafts/"])["changed"] == ["watch.ignore"]
    # So many missing at once would wait for ten minutes; these are not missing.
    daemon.becomes(photos=10, pending=0, scanning=False, removed=70)
    assert daemon.call("library.why", path=str(daemon.home / "one/drafts/1.png"))["verdict"] == "excluded"
    daemon.reload("one", hidden=True, ignore=["drafts/"])
    daemon.becomes(photos=12, pending=0, scanning=False)
    photo(daemon.home / "one" / ".hidden" / "late.png", "red")
    photo(daemon.home / "one" / "drafts" / "late.png", "red")
    daemon.becomes(photos=13, pending=0)
    daemon.reload("one")
    status = daemon.becomes(photos=81, pending=0, scanning=False)
    assert status["counters"]["embedded"] == 84, "what had been left out for a while is known by its content"
    daemon.reload("one", min_bytes=1 << 20)
    daemon.becomes(photos=0, pending=0, scanning=False)
    assert daemon.call("library.verify")["ok"]


def test_what_needs_a_restart_is_said_and_what_does_not_is_taken(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.write("one")
    daemon.begin()
    daemon.becomes(photos=3, pending=0)
    changed = "[index]\ndecode_threads = 1\nkeep_alive_seconds = 0.1\n[model]\nbatch_size = 7\n[log]\nlevel = 'error'\n"
    daemon.file.write_text(daemon.file.read_text() + changed)
    for _ in range(2):
        said = daemon.cli("reload").stdout
        assert "in force after a restart only, until then as before: model.batch_size" in said
        assert "nothing changed" not in said
    assert "passed over: log.level" not in said, "said once"
    assert "in force now" not in said
    wait_until(lambda: daemon.status()["model"]["image_worker"] == "idle", "the index worker left after 0.1 s")
    photo(daemon.home / "one" / "new.png", "red")
    daemon.becomes(photos=4, pending=0)


def test_options_of_the_command_line_win_and_that_is_said(tmp_path: Path) -> None:
    with running(tmp_path, settings='roots = ["/one"]\n') as daemon:
        (tmp_path / "config" / "phsearch" / "config.toml").write_text('roots = ["/two"]\n')
        said = daemon.cli("reload").stdout
        assert said == "passed over: roots, since phsearchd was started with --root, which wins\n"
        assert [root["path"] for root in daemon.status()["roots"]] == [str(daemon.photos)]
        assert daemon.cli("reload").stdout == "nothing changed\n"


def test_a_root_removed_while_its_photos_are_indexed_lets_go_of_them_and_costs_nothing_twice(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.fill("two", 200, red=100)
    daemon.write("one")
    daemon.begin()
    daemon.becomes(photos=3, pending=0)
    for _ in range(3):
        daemon.reload("one", "two")
        wait_until(lambda: daemon.status()["counters"]["embedded"] > 3, "some are embedded")
        daemon.reload("one")
        status = daemon.settled()
        assert (status["photos"], status["pending"]) == (3, 0)
        assert set(daemon.shown().values()) == {"one"}
    daemon.reload("one", "two")
    status = daemon.becomes(photos=203, pending=0, scanning=False)
    assert status["counters"]["embedded"] == 203, "each once"
    assert "Traceback" not in daemon.log.read_text()
    assert daemon.call("library.verify")["ok"]


def test_removed_roots_outlive_the_daemon_whichever_way_it_ends(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.fill("two", 4, red=100)
    daemon.fill("three", 5, red=50)
    daemon.write("one", "two", "three")
    daemon.begin()
    daemon.becomes(photos=12, pending=0, scanning=False)
    daemon.reload("one", "three")
    (first,) = daemon.status()["removed"]
    daemon.kill()
    daemon.write("one")
    daemon.begin()
    assert daemon.resting() == {"two": 4, "three": 5}, "three was removed while the daemon was down"
    since = {os.path.basename(root["path"]): root["since"] for root in daemon.status()["removed"]}
    assert since["two"] == first["since"]
    assert since["three"] > first["since"]
    wait_until(lambda: "three" in (daemon.state / "index" / "removed.json").read_text(), "it is on record")
    daemon.kill()
    daemon.write("one", "two", "three")
    daemon.begin()
    assert daemon.becomes(photos=12, pending=0, scanning=False)["counters"] == NOTHING
    assert daemon.resting() == {}


def test_after_the_grace_photos_are_forgotten_unless_they_are_to_be_kept(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.fill("two", 4, red=100)
    daemon.fill("three", 5, red=50)
    daemon.write("one", "two", "three", grace_days=2 / 86400)
    daemon.begin()
    daemon.becomes(photos=12, pending=0, scanning=False)
    daemon.write("one", "three", grace_days=2 / 86400)
    daemon.call("config.reload", removed="keep")
    daemon.reload("one", grace_days=2 / 86400)
    assert daemon.resting() == {"two": 4, "three": 5}
    wait_until(lambda: daemon.resting() == {"two": 4}, "what is not to be kept is forgotten")
    assert daemon.settled()["counters"]["removed"] == 0
    daemon.kill()
    daemon.begin()
    assert daemon.resting() == {"two": 4}
    status = daemon.status()["removed"][0]
    assert status["forgotten_at"] is None
    assert re.search(r"removed +4 photos +kept +not shown", daemon.cli("status").stdout.replace("\t", "  "))
    refused = daemon.cli("forget", str(daemon.home / "one"), check=False)
    assert refused.returncode == 1
    assert "one is watched" in refused.stderr
    assert "no removed folder" in daemon.cli("forget", "/elsewhere", check=False).stderr
    assert "forgot 4 photos" in daemon.cli("forget", str(daemon.home / "two")).stderr
    assert daemon.resting() == {}
    # Their vectors are remembered by content, as those of every deleted photo.
    daemon.reload("one", "two")
    assert daemon.becomes(photos=7, pending=0)["counters"] == NOTHING | {"reused": 4}


def test_a_terminal_is_asked_what_becomes_of_the_photos(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.fill("two", 4, red=100)
    daemon.write("one", "two")
    daemon.begin()
    daemon.becomes(photos=7, pending=0)
    daemon.write("one")
    ours, theirs = pty.openpty()
    client = subprocess.Popen([*PHSEARCH_CLIENT, "reload"], env=daemon.env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while b"What becomes of them?" not in said:
        assert select.select([ours], [], [], 20)[0], said
        said += os.read(ours, 4096)
    assert b"4 photos of" in said
    assert daemon.roots() == ["one", "two"], "nothing happens before the answer"
    os.write(ours, b"keep\n")
    assert client.wait(scaled(20)) == 0
    os.close(ours)
    assert daemon.status()["removed"][0]["forgotten_at"] is None


def test_a_client_that_hangs_up_during_a_reload_stops_nothing(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.write("one")
    daemon.begin()
    daemon.becomes(photos=3, pending=0)
    # It leaves with an answer unread, so that the daemon notices at once.
    reload = b'{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}\n{"jsonrpc":"2.0","id":2,"method":"config.reload"}\n'
    for number in range(8):
        daemon.write("one", ignore=[f"nothing{number}/"])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.socket))
            client.sendall(reload)
            time.sleep(0.003 * (number + 1))  # it is any of its steps that the client leaves in
        daemon.fill("one", 1, red=100 + number, first=3 + number)
        daemon.becomes(photos=4 + number, pending=0, scanning=False)
        wait_until(lambda: daemon.status()["roots"][0]["state"] == "watching", "the reload is done")
    assert daemon.reload("one", ignore=["nothing7/"])["changed"] == []


def test_sighup_at_any_moment_neither_ends_the_daemon_nor_is_lost(daemon: Changing) -> None:
    daemon.fill("one", 1)
    daemon.fill("two", 2, red=100)
    daemon.write("one")
    with daemon.log.open("ab") as log:
        process = daemon._process = subprocess.Popen(COLOUR_DAEMON, env=daemon.env, stderr=log)
    wait_until(lambda: takes_sighup(process.pid), "it has begun")
    deadline = time.monotonic() + scaled(1)
    while not daemon.socket.exists() and time.monotonic() < deadline:
        os.kill(process.pid, signal.SIGHUP)
        time.sleep(0.01)
    daemon.write("one", "two")
    os.kill(process.pid, signal.SIGHUP)
    wait_until(daemon._answers, "the daemon answers")
    daemon.becomes(photos=3, pending=0)
    process.terminate()
    while process.poll() is None:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    assert process.returncode == 0


def logged(daemon: Changing, text: str) -> bool:
    return text in daemon.log.read_text()


def takes_sighup(pid: int) -> bool:
    """Whether a process ignores or handles SIGHUP."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool((int(status["SigIgn"], 16) | int(status["SigCgt"], 16)) & 1 << (signal.SIGHUP - 1))


def test_systemd_is_told_when_a_reload_begins_and_when_it_is_over(daemon: Changing) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(daemon.home / "notify"))
        ear.settimeout(scaled(20))
        daemon.env["NOTIFY_SOCKET"] = str(daemon.home / "notify")
        daemon.write("one")
        daemon.begin()
        for text in ('roots = ["/a"]\n', "broken"):
            daemon.file.write_text(text)
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            os.kill(daemon.pid, signal.SIGHUP)
            while not (message := ear.recv(4096).decode()).startswith("RELOADING=1"):
                pass
            stamp = int(message.partition("MONOTONIC_USEC=")[2])
            assert before <= stamp <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            while "READY=1" not in ear.recv(4096).decode():
                pass


def test_a_daemon_whose_terminal_is_closed_ends_instead_of_reading_its_settings(daemon: Changing) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *COLOUR_DAEMON], env=daemon.env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    daemon._process = process
    wait_until(daemon._answers, "the daemon answers")
    os.kill(process.pid, signal.SIGHUP)
    assert daemon.status()["pid"] == process.pid, "with its terminal there it reads its settings"
    os.close(ours)
    assert process.wait(scaled(20)) in (0, 120), (
        "120: Python could not flush what is written to a terminal that is gone"
    )
    assert not daemon.socket.exists()


@pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())
def test_a_root_on_a_hung_disk_can_be_removed_and_come_back(daemon: Changing) -> None:
    daemon.fill("one", 3)
    daemon.fill("share", 4, red=100)
    daemon.write("one", "share", disk_seconds=scaled(0.4))
    daemon.begin()
    daemon.becomes(photos=7, pending=0, scanning=False)
    with hung_fs.hung(daemon.home / "share"):
        daemon.call("library.rescan")
        start = time.monotonic()
        daemon.reload("one", disk_seconds=scaled(0.4))
        assert time.monotonic() - start < scaled(10)
        assert (daemon.roots(), daemon.resting()) == (["one"], {"share": 4})
        photo(daemon.home / "one" / "new.png", "red")
        daemon.becomes(photos=4, pending=0)
        daemon.reload("one", "share", disk_seconds=scaled(0.4))
        wait_until(lambda: daemon.status()["roots"][1]["state"] == "offline", "it is known to hang")
        assert len(daemon.shown()) == 8
        daemon.reload("one", disk_seconds=scaled(0.4))
        photo(daemon.home / "one" / "newer.png", "red")
        daemon.becomes(photos=5, pending=0)
    daemon.reload("one", "share", disk_seconds=scaled(0.4))
    status = daemon.becomes(photos=9, pending=0, scanning=False)
    assert [root["state"] for root in status["roots"]] == ["watching", "watching"]
    assert status["counters"] == NOTHING | {"embedded": 9}
    assert "Traceback" not in daemon.log.read_text()


@needs_mounts
def test_a_disk_that_is_pulled_out_stays_known_whether_its_folder_is_a_root_or_lies_in_one(tmp_path: Path) -> None:
    daemon = MountingDaemon(tmp_path)
    file = tmp_path / "config" / "phsearch" / "config.toml"
    file.parent.mkdir(parents=True)
    inner = daemon.photos / "disk"

    def roots(*folders: Path) -> None:
        file.write_text(f"roots = {[str(folder) for folder in folders]}\n[watch]\nsettle_seconds = 0.2\n")

    try:
        daemon.plug("one", inner)
        photo(daemon.photos / "here.png", "red")
        for number in range(4):
            daemon.put(photo(tmp_path / "made" / f"{number}.png", (200, number, 0)), inner / f"{number}.png")
        roots(daemon.photos, inner)
        daemon.start(from_file=True)
        daemon.becomes(photos=5, pending=0, scanning=False)
        for folders in ((daemon.photos,), (daemon.photos, inner)):
            daemon.pull(inner)
            roots(*folders)
            daemon.call("config.reload")
            daemon.settled()
            missing = sum(root["missing"] for root in daemon.status()["roots"])
            assert (missing, daemon.status()["photos"]) == (4, 5)
            assert daemon.status()["counters"] == NOTHING | {"embedded": 5}
            daemon.plug("one", inner)
            daemon.call("library.rescan")
            wait_until(lambda: not any(root["missing"] for root in daemon.status()["roots"]), "the disk is back")
        assert daemon.settled()["counters"] == NOTHING | {"embedded": 5}
    finally:
        daemon.stop()
        daemon.close()
