"""Each check by its facts: when all is well, and when it is not."""

from __future__ import annotations

import dataclasses

import pytest

from phsearch.domain.doctor import Check, contact_checks, daemon_checks, file_checks, systemd_checks
from phsearch.domain.doctor.contact_checks import DaemonProbe, Versions
from phsearch.domain.doctor.daemon_checks import InotifyUse, RootReport, WorkerReport
from phsearch.domain.doctor.file_checks import FileInfo, Space
from phsearch.domain.types import DeviceChoice, TableStats
from phsearch.wire.results.daemon import ModelStatus

ME = 1000


def said(check: Check | None) -> tuple[str, str]:
    assert check is not None
    return check.state, check.remedy


def test_what_is_not_well_must_come_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="disk names no remedy"):
        Check("disk", "warn", "it is full")


# --- files and folders ---------------------------------------------------------------------------------------------

FILE = FileInfo("/c/my config.toml", "file", ME, 0o644)


@pytest.mark.parametrize(
    ("entry", "problem", "wanted"),
    [
        (FILE, "", ("ok", "")),
        (dataclasses.replace(FILE, mode=0o664), "", ("ok", "")),
        (FileInfo("/c/none.toml"), "", ("ok", "")),
        (dataclasses.replace(FILE, mode=0o666), "", ("warn", "chmod o-w '/c/my config.toml'")),
        (dataclasses.replace(FILE, uid=7), "", ("warn", "sudo chown 1000 '/c/my config.toml'")),
        (dataclasses.replace(FILE, problem="permission denied"), "", ("fail", "ls -ld '/c/my config.toml'")),
        (FILE, 'unknown key "rots"', ("fail", 'did you mean "roots"?')),
        (FileInfo("/c/link.toml"), "a link to /x, which is not there", ("fail", 'did you mean "roots"?')),
    ],
)
def test_the_settings(entry: FileInfo, problem: str, wanted: tuple[str, str]) -> None:
    assert said(file_checks.config(entry, ME, problem, 'did you mean "roots"?' if problem else "")) == wanted


FOLDER = FileInfo("/run/phsearch", "folder", ME, 0o700)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (FOLDER, ("ok", "")),
        (FileInfo("/run/phsearch"), ("ok", "")),
        (dataclasses.replace(FOLDER, mode=0o755), ("fail", "chmod 700 /run/phsearch")),
        (dataclasses.replace(FOLDER, mode=0o500), ("fail", "chmod 700 /run/phsearch")),
        (dataclasses.replace(FOLDER, kind="file"), ("fail", "mv /run/phsearch /run/phsearch.old")),
        (dataclasses.replace(FOLDER, problem="it did not answer within 2 s"), ("fail", "ls -ld /run/phsearch")),
    ],
)
def test_a_folder_of_ones_own(entry: FileInfo, wanted: tuple[str, str]) -> None:
    assert said(file_checks.private_folder("state folder", entry, ME)) == wanted


@pytest.mark.parametrize("entry", [FileInfo("/tmp", "folder", 0, 0o1777), FileInfo("/tmp", "folder", ME, 0o1777)])
def test_nobody_is_told_to_change_the_mode_of_a_folder_that_many_share(entry: FileInfo) -> None:
    check = file_checks.private_folder("socket folder", entry, ME)
    assert check.state == "fail"
    assert "chmod" not in check.remedy
    assert "--socket" in check.remedy


SOCKET = FileInfo("/run/phsearch/s", "socket", ME, 0o600)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (SOCKET, ("ok", "")),
        (dataclasses.replace(SOCKET, mode=0o666), ("fail", "chmod 600 /run/phsearch/s")),
        (dataclasses.replace(SOCKET, kind="file"), ("fail", "mv /run/phsearch/s /run/phsearch/s.old")),
        (
            dataclasses.replace(SOCKET, uid=7),
            ("fail", "ask as the user whose daemon it is, or give your own with --socket"),
        ),
    ],
)
def test_the_socket(entry: FileInfo, wanted: tuple[str, str]) -> None:
    assert said(file_checks.socket(entry, ME)) == wanted


def test_a_socket_that_is_not_there_is_for_the_daemons_line_to_say() -> None:
    assert file_checks.socket(FileInfo("/run/phsearch/s"), ME) is None


@pytest.mark.parametrize(
    ("entry", "readable", "state"),
    [
        (FileInfo("/p", "folder", ME, 0o755), True, "ok"),
        (FileInfo("/p", "folder", ME, 0o000), False, "fail"),
        (FileInfo("/p", "file", ME, 0o644), False, "fail"),
        (FileInfo("/p"), False, "warn"),
        (FileInfo("/p", problem="it did not answer within 2 s"), False, "warn"),
    ],
)
def test_a_folder_of_photos(entry: FileInfo, readable: bool, state: str) -> None:  # noqa: FBT001
    assert file_checks.root(entry, readable=readable).state == state


@pytest.mark.parametrize(("free", "state"), [(200 << 30, "ok"), (900 << 20, "warn"), (20 << 20, "fail"), (0, "fail")])
def test_the_room_on_the_disk(free: int, state: str) -> None:
    check = file_checks.space("disk", Space("/s tate", free, 500 << 30))
    assert check.state == state
    assert ("du -xh --max-depth=1 '/s tate'" in check.remedy) is (state != "ok")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (512, "512 bytes"), (1500, "1.5 kB"), (123_456_789, "123 MB"), (5e15, "5000 TB")],
)
def test_bytes_as_people_read_them(count: float, text: str) -> None:
    assert file_checks.in_bytes(count) == text


# --- who runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "state", "text", "remedy"),
    [
        (DaemonProbe("/s", "answered", 0.0042, pid=7), "ok", "pid 7 answers in 4 ms", ""),
        (DaemonProbe("/s", "absent"), "fail", "not running: there is no socket at /s", contact_checks.START),
        (DaemonProbe("/s", "refused"), "fail", "which a former one left behind", contact_checks.START),
        (DaemonProbe("/s", "silent", 5, pid=7, stopped=True), "fail", "pid 7 is halted (SIGSTOP)", "kill -CONT 7"),
        (DaemonProbe("/s", "silent", 5, pid=7), "fail", "did not answer within 5 s", "kill -9 7"),
        (
            DaemonProbe("/s", "silent", 5, activated=True),
            "fail",
            "systemd listens",
            "systemctl --user restart phsearch",
        ),
        (DaemonProbe("/s", "other", problem="a stranger answers", hint="check --socket"), "fail", "stranger", "check"),
    ],
)
def test_the_daemon(contact: DaemonProbe, state: str, text: str, remedy: str) -> None:
    check = contact_checks.daemon(contact)
    assert check.state == state
    assert text in check.text
    assert remedy in check.remedy


def test_versions_that_differ_are_told_and_protocols_that_differ_fail() -> None:
    own = Versions("1.2.0", 1, "3.11.7")
    assert contact_checks.versions(own, None).state == "ok"
    assert contact_checks.versions(own, Versions("1.2.0", 1, "3.12.1")).text.endswith("Python 3.12.1, protocol 1")
    older = contact_checks.versions(own, Versions("1.1.0", 1))
    assert (older.state, older.remedy) == ("warn", "systemctl --user restart phsearch")
    stranger = contact_checks.versions(own, Versions("2.0.0", 2))
    assert stranger.state == "fail"
    assert "the client speaks protocol 1, the daemon 2" in stranger.text


def test_the_lock() -> None:
    assert contact_checks.lock("/s", None, DaemonProbe("/k", "absent")).state == "ok"
    assert contact_checks.lock("/s", 7, DaemonProbe("/k", "answered")).state == "ok"
    elsewhere = contact_checks.lock("/s", 7, DaemonProbe("/k", "absent"))
    assert (elsewhere.state, "ps -fp 7" in elsewhere.remedy) == ("warn", True)


# --- systemd -------------------------------------------------------------------------------------------------------

SHOWN = """\
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
Result=success
ExecMainStatus=0
NRestarts=0
NeedDaemonReload=no
ExecStart={ path=/usr/bin/env ; argv[]=/usr/bin/env PATH=/home/u/.local/bin:/usr/bin phsearchd ; ignore_errors=no }
"""


def judged(answered: bool = True, program: str | None = "/usr/bin/phsearchd", **changes: str) -> Check:  # noqa: FBT001, FBT002
    return systemd_checks.unit(systemd_checks.properties(SHOWN) | changes, "", program, answered=answered)


def test_a_unit_that_runs_and_is_enabled_is_well() -> None:
    assert judged().text == "phsearch.service is active (running), enabled"
    assert judged().state == "ok"


@pytest.mark.parametrize(
    ("changes", "answered", "state", "remedy"),
    [
        ({"LoadState": "not-found"}, True, "warn", "phsearchd install --now"),
        ({"LoadState": "not-found"}, False, "fail", "phsearchd install --now"),
        ({"ActiveState": "inactive"}, False, "fail", "systemctl --user start phsearch"),
        ({"ActiveState": "inactive"}, True, "warn", "systemctl --user start phsearch"),
        ({"ActiveState": "failed", "Result": "signal", "ExecMainStatus": "9"}, False, "fail", "journalctl --user -u"),
        ({"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}, False, "fail", "the setting"),
        ({"UnitFileState": "disabled"}, True, "warn", "systemctl --user enable phsearch"),
        ({"NeedDaemonReload": "yes"}, True, "warn", "systemctl --user daemon-reload"),
        ({"NRestarts": "3"}, True, "warn", "journalctl --user -u phsearch"),
    ],
)
def test_a_unit_that_is_not_well(changes: dict[str, str], answered: bool, state: str, remedy: str) -> None:  # noqa: FBT001
    check = judged(answered, **changes)
    assert check.state == state
    assert remedy in check.remedy


def test_a_unit_whose_program_is_gone_cannot_start() -> None:
    assert judged(program=None).state == "fail"


def test_a_user_without_a_manager_is_told_how_to_find_it() -> None:
    check = systemd_checks.unit({}, "Failed to connect to bus: No medium found", None, answered=False)
    assert (check.state, "XDG_RUNTIME_DIR" in check.remedy) == ("warn", True)


@pytest.mark.parametrize(
    ("shown", "command"),
    [
        (systemd_checks.properties(SHOWN)["ExecStart"], ("phsearchd", "/home/u/.local/bin:/usr/bin")),
        ("{ path=/opt/x/phsearchd ; argv[]=/opt/x/phsearchd --root /p ; ignore_errors=no }", ("/opt/x/phsearchd", "")),
        ("", ("", "")),
    ],
)
def test_the_program_a_unit_starts_is_found_behind_env(shown: str, command: tuple[str, str]) -> None:
    assert systemd_checks.command(shown) == command


@pytest.mark.parametrize(
    ("shown", "graphical", "state"),
    [
        ({"Linger": "yes", "Display": ""}, False, "ok"),
        ({"Linger": "no", "Display": "2"}, False, "ok"),
        ({"Linger": "no", "Display": ""}, True, "ok"),
        ({"Linger": "no", "Display": ""}, False, "warn"),
    ],
)
def test_without_a_desktop_a_user_must_linger(shown: dict[str, str], graphical: bool, state: str) -> None:  # noqa: FBT001
    check = systemd_checks.linger(shown, graphical=graphical)
    assert check is not None
    assert check.state == state
    assert check.remedy in {"", "loginctl enable-linger"}
    assert systemd_checks.linger({}, graphical=False) is None


# --- what the daemon knows -----------------------------------------------------------------------------------------

LIMITS = {
    "fs.inotify.max_user_watches": 8192,
    "fs.inotify.max_user_instances": 128,
    "fs.inotify.max_queued_events": 16384,
    "user.max_inotify_watches": 8192,
    "user.max_inotify_instances": 128,
}
USE = InotifyUse(watches=100, instances=1, user_watches=300, user_instances=20, limits=LIMITS)


def test_watches_that_suffice() -> None:
    check = daemon_checks.watches(USE, 0)
    text = "100 here, 300 of all your programs, of 8,192 (fs.inotify.max_user_watches)"
    assert (check.state, check.text) == ("ok", text)
    assert daemon_checks.instances(USE).state == "ok"
    assert said(daemon_checks.queue(USE, 0)) == ("ok", "")


def test_folders_without_a_watch_name_the_line_that_raises_the_limit_for_good() -> None:
    check = daemon_checks.watches(dataclasses.replace(USE, user_watches=8192), 20_000)
    assert check.state == "warn"
    assert check.remedy == (
        "echo fs.inotify.max_user_watches=65536 | sudo tee /etc/sysctl.d/60-fs-inotify-max_user_watches.conf "
        "&& sudo sysctl --system"
    )


def test_the_lower_of_the_two_limits_is_the_one_to_raise() -> None:
    limits = {**LIMITS, "user.max_inotify_watches": 100}
    check = daemon_checks.watches(dataclasses.replace(USE, limits=limits), 5)
    assert "echo user.max_inotify_watches=800 |" in check.remedy


def test_limits_that_are_nearly_reached_are_told_before_they_are() -> None:
    assert daemon_checks.watches(dataclasses.replace(USE, user_watches=7000), 0).state == "warn"
    assert daemon_checks.instances(dataclasses.replace(USE, user_instances=120)).state == "warn"
    assert "nothing is watched" in daemon_checks.instances(dataclasses.replace(USE, instances=0)).text


def test_a_queue_that_overflowed_or_is_short_wants_to_be_longer() -> None:
    overflowed = daemon_checks.queue(USE, 2)
    assert overflowed is not None
    assert "overflowed 2 times" in overflowed.text
    assert "fs.inotify.max_queued_events=32768" in overflowed.remedy
    assert said(
        daemon_checks.queue(dataclasses.replace(USE, limits={**LIMITS, "fs.inotify.max_queued_events": 512}), 0)
    )[0] == ("warn")


ROOT = RootReport(
    path="/my p",
    state="watching",
    photos=12,
    missing=0,
    watched=3,
    unwatched=0,
    beyond_limit=0,
    detail="",
    hint="",
    remote=False,
)
CONFIRM = "if they are gone for good: phsearch-client confirm-deletions '/my p'"


@pytest.mark.parametrize(
    ("changes", "state", "text", "remedy"),
    [
        ({}, "ok", "/my p: watching, 12 photos, 3 folders watched", ""),
        ({"state": "scanning"}, "ok", "scanning", ""),
        ({"state": "offline", "detail": "its folder is not there", "hint": CONFIRM}, "warn", "not there", CONFIRM),
        (
            {"state": "polling", "detail": "nfs4 tells of no changes made elsewhere", "remote": True},
            "warn",
            "nfs4 tells",
            "phsearch-client rescan '/my p'",
        ),
        (
            {"state": "polling", "unwatched": 9, "beyond_limit": 9, "detail": "x"},
            "warn",
            "3 folders watched, 9 not",
            "rescan",
        ),
        (
            {"state": "polling", "unwatched": 9, "detail": "permission denied: /a"},
            "warn",
            "permission denied: /a",
            "rescan",
        ),
        ({"missing": 4, "detail": "4 photos are missing", "hint": CONFIRM}, "warn", "missing", CONFIRM),
    ],
)
def test_a_root(changes: dict[str, object], state: str, text: str, remedy: str) -> None:
    check = daemon_checks.root(dataclasses.replace(ROOT, **changes))  # type: ignore[arg-type]
    assert check.state == state
    assert text in check.text
    assert remedy in check.remedy


MODEL = {"name": "mini", "pretrained": "", "state": "ready", "dim": 384, "reason": None, "hint": None}


def judged_model(weights: str = "", source: str = "", **changes: str) -> Check:
    return daemon_checks.model(ModelStatus.parse_json(MODEL | changes), weights, source)


def test_the_model() -> None:
    check = judged_model("ab" * 32, "/m/mini")
    assert check.text == "mini, 384 dimensions; weights from /m/mini, sha256 abababababababab"
    assert judged_model(state="loading").state == "warn"
    mismatch = judged_model(state="mismatch", reason="other weights", hint="phsearchd --rebuild")
    assert said(mismatch) == ("fail", "phsearchd --rebuild")


def test_device_precision_and_runtime_come_with_their_reasons() -> None:
    why = DeviceChoice("no CUDA device can be used: torch is built without CUDA", "measured 1.9 times as fast as fp32")
    device, precision = daemon_checks.device("cpu", "bf16", "", why)
    assert (device.state, device.text) == ("ok", f"cpu: {why.device}")
    assert precision.text == "bf16: measured 1.9 times as fast as fp32"
    better = dataclasses.replace(why, remedy="pip install torch")
    assert said(daemon_checks.device("cpu", "bf16", "", better)[0]) == ("warn", "pip install torch")
    refused = dataclasses.replace(why, runtime="the model cannot be exported")
    assert daemon_checks.device("cpu", "bf16", "torch 2", refused)[2].text == "torch 2: the model cannot be exported"
    assert [check.state for check in daemon_checks.device(None, "", "", DeviceChoice())] == ["ok"]


def test_the_index() -> None:
    table = TableStats("photos_mini", 5_000_000, 1, 1000, 3, 2)
    former = TableStats("photos_vit_b_32", 9_000_000, former=True)
    own, others = daemon_checks.store([table, former], "/s/index", None)
    assert own.text == "/s/index: 14.0 MB; photos_mini (schema 1): 1,000 rows in 3 fragments, 2 versions"
    assert "photos_vit_b_32 (9.0 MB)" in others.text
    assert daemon_checks.store([dataclasses.replace(table, versions=5000)], "/s", None)[0].state == "warn"
    (broken,) = daemon_checks.store([table], "/s", ("the disk is full", "make room"))
    assert said(broken) == ("fail", "make room")


def test_workers_errors_memory_and_maintenance() -> None:
    healthy = WorkerReport(name="index", running=True, starts=1, exits=0, last_exit="", died_at=None)
    assert daemon_checks.worker(healthy).text == "running, started once"
    failing = dataclasses.replace(
        healthy, running=False, starts=5, exits=4, last_exit="its decoder crashed", died_at=0.0
    )
    assert daemon_checks.worker(failing).state == "warn"
    assert "died 4 times" in daemon_checks.worker(failing).text
    assert daemon_checks.errors(0).state == "ok"
    assert said(daemon_checks.errors(3)) == ("warn", "phsearch-client errors says why")
    assert daemon_checks.memory([("daemon", 200 << 20)], 16 << 30).state == "ok"
    assert daemon_checks.memory([("daemon", 200 << 20), ("index", 9 << 30)], 16 << 30).state == "warn"
    assert (
        daemon_checks.maintenance(1000, 990, 100, 0).text
        == "last written less than a minute ago, last tidied 15 minutes ago"
    )
    assert "3 changes to write" in daemon_checks.maintenance(1000, None, None, 3).text
