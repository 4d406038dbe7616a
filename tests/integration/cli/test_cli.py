"""The command line as a person or a script meets it: a real process, a real socket, and a real terminal where asked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import phsearch
from phsearch import cli
from phsearch.cli.exit_status import run_command
from phsearch.cli.names import COMMANDS
from support.fakes import HANG_UP, SILENCE, Refusal, ScriptedDaemon
from support.harness import PHSEARCH_CLIENT, run_client
from support.terminals import Ran, run_on_terminal
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BRIEFLY = scaled(0.1)

ODD = "/photos/od\x1b[31md\tna\nme\\ \udcff\u9b5a.jpg"


def hit(path: str, score: float = 0.28125, taken_at: str | None = "2023-06-01T12:30:05.25+02:00") -> dict[str, Any]:
    size = {"width": 4000, "height": 3000, "format": "JPEG"}
    return {"path": path, "score": score, "root": "/photos", "taken_at": taken_at, **size}


def found(*hits: Mapping[str, Any], pending: int = 0, photos: int = 100) -> dict[str, Any]:
    return {"hits": list(hits), "pending": pending, "photos": photos, "took_ms": 4.2}


def status(pending: int = 0, *, scanning: bool = False, embedded: int = 0, model: str = "ready") -> dict[str, Any]:
    broken = model != "ready"
    return {
        "version": "9.8.7",
        "protocol": 1,
        "pid": 4711,
        "uptime": 60.0,
        "model": {
            "name": "mini",
            "pretrained": "",
            "state": model,
            "device": "cpu",
            "precision": "fp32",
            "dim": 384,
            "reason": "the weights are damaged" if broken else "",
            "hint": "install them again" if broken else "",
        },
        "photos": 100,
        "pending": pending,
        "scanning": scanning,
        "errors": 0,
        "counters": {"embedded": embedded, "reused": 0, "removed": 0, "failed": 0},
        "roots": [{"path": "/photos", "state": "watching", "photos": 100, "detail": ""}],
        "rate": 12.5 if pending else 0.0,
        "eta": pending / 12.5 if pending else None,
        "last_error": None,
        "notices": [],
    }


BEACH = found(hit("/photos/beach.jpg"), hit("/photos/sea.jpg", 0.2, None)) | {"synced": True}
WHY = {"path": ODD, "verdict": "missing", "findable": False, "text": "there is no such file", "root": "/photos"}
SCRIPT = {
    "search": BEACH,
    "status": status(),
    "library.rescan": {"roots": ["/photos"]},
    "library.errors": {"errors": [{"path": ODD, "reason": "cut short", "attempts": 3, "failed_at": 1.5}], "total": 1},
    "library.why": WHY | {"match": None},
    "events.subscribe": {"subscribed": True},
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE") if name in os.environ}
    package = str(Path(phsearch.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))
    places = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    return kept | places | {"PYTHONPATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8"}


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    (tmp_path / "phsearch").mkdir()
    return tmp_path / "phsearch" / "phsearch.sock"


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[ScriptedDaemon]:
    with ScriptedDaemon(socket_path, SCRIPT) as running:
        yield running


def run(env: Mapping[str, str], *args: str | bytes) -> Ran:
    """Run the client in a pipeline."""
    done = run_client(env, *map(os.fsdecode, args), seconds=20)
    assert "Traceback" not in done.stderr
    return Ran(done.returncode, done.stdout.encode("utf-8", "surrogateescape"), done.stderr)


def run_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], socket_path: Path, *args: str | bytes
) -> Ran:
    """Run the client in this process: quicker, for what only concerns the arguments."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(socket_path.parent.parent))
    exit_status = run_command(lambda: cli.run([os.fsdecode(arg) for arg in args]))
    out, err = capfd.readouterr()
    return Ran(exit_status, out.encode(), err)


# --- which command is meant -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (["beach"], {"query": "beach", "limit": 20}),
        (["dog", "on a", "beach"], {"query": 'dog "on a" beach', "limit": 20}),
        (["-n", "5", "beach", "sunset"], {"query": "beach sunset", "limit": 5}),
        (["beach", "-n", "5"], {"query": "beach", "limit": 5}),
        (["--limit=5", "status"], {"query": "status", "limit": 5}),
        (["--json", "cat"], {"query": "cat", "limit": 20}),
        (["--min-score", "-0.5", "cat"], {"query": "cat", "limit": 20, "min_score": -0.5}),
        (["search", "status"], {"query": "status", "limit": 20}),
        (["search", "--", "-n"], {"query": "-n", "limit": 20}),
        (["--", "-odd"], {"query": "-odd", "limit": 20}),
        (["--sync", "beach"], {"query": "beach", "limit": 20, "sync": 30}),
        (["a", "beach", "--sync"], {"query": "a beach", "limit": 20, "sync": 30}),
        (["--sync=2.5", "--json", "beach"], {"query": "beach", "limit": 20, "sync": 2.5}),
        (["search", "--sync", "beach"], {"query": "beach", "limit": 20, "sync": 30}),
        (["--", "--sync"], {"query": "--sync", "limit": 20}),
        (["--", "status"], {"query": "status", "limit": 20}),
        (["--timeout", "5", "beach"], {"query": "beach", "limit": 20}),
        (["statsu"], {"query": "statsu", "limit": 20}),
        (["the", "status"], {"query": "the status", "limit": 20}),
        (["富士山", "zoë"], {"query": "富士山 zoë", "limit": 20}),
        (["beach", "-people"], {"query": "beach -people", "limit": 20}),
        (["-people in suits", "-n5"], {"query": '-"people in suits"', "limit": 5}),
        (["--json", "camera:Pixel 8", "beach"], {"query": 'camera:"Pixel 8" beach', "limit": 20}),
        (["--after", "2024"], {"query": "after:2024", "limit": 20}),
        (["--like", "a b.jpg", "snow"], {"query": 'snow like:"a b.jpg"', "limit": 20}),
        (["--min", "strong", "cat"], {"query": "cat", "limit": 20, "min_band": "strong"}),
        (["--min", "0.25", "cat"], {"query": "cat", "limit": 20, "min_band": None, "min_relevance": 0.25}),
        (["--all", "cat"], {"query": "cat", "limit": 20, "min_band": None}),
        (["--expand", "cat"], {"query": "cat", "limit": 20, "collapse": False}),
    ],
)
def test_a_first_word_that_is_no_command_begins_a_query(
    daemon: ScriptedDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    args: list[str],
    asked: dict[str, Any],
) -> None:
    assert run_here(monkeypatch, capfd, daemon.path, *args).status == 0
    by_default = {"min_band": None if "min_score" in asked else "weak", "collapse": True, "cwd": os.getcwd()}
    wanted = {name: value for name, value in (by_default | asked).items() if value is not None}
    assert daemon.asked == [("search", wanted)]


@pytest.mark.parametrize("args", [["status"], ["--timeout", "5", "status"], ["--timeout=5", "status", "--json"]])
def test_a_command_may_follow_the_options_all_share(
    daemon: ScriptedDaemon, env: dict[str, str], args: list[str]
) -> None:
    assert run(env, *args).status == 0
    assert daemon.asked == [("status", {})]


@pytest.mark.parametrize(
    "args", [["--socket", "{}", "beach"], ["beach", "--socket={}"], ["--socket", "{}", "search", "beach"]]
)
def test_the_socket_may_be_named_before_or_after(tmp_path: Path, env: dict[str, str], args: list[str]) -> None:
    with ScriptedDaemon(tmp_path / "other", SCRIPT):
        ran = run(env, *(arg.format(tmp_path / "other") for arg in args))
    assert ran.out.startswith("0.2812\t")


def test_plain_words_are_recognised() -> None:
    assert cli.is_words(["dog", "status"])
    assert not any(map(cli.is_words, ([], ["-n"], ["dog", "--json"], *([name] for name in COMMANDS))))


def test_without_arguments_it_prints_help(env: dict[str, str]) -> None:
    ran = run(env)
    assert ran.status == 0
    assert ran.out.startswith("Usage: phsearch-client [OPTIONS] QUERY... | COMMAND\n")
    assert all(word in ran.out for word in (*COMMANDS, "--null", "--min-score", "--socket"))
    assert ran.err == ""


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["status", "--help"], ["beach", "--help"], ["--json", "-h"]])
def test_help_is_on_stdout(env: dict[str, str], args: list[str]) -> None:
    ran = run(env, *args)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Usage: phsearch-client")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([""], "The query is empty: say what the photo shows"),
        ([" ", "\t"], "The query is empty"),
        (["search"], "The query is empty"),
        (["--json"], "The query is empty"),
        ([b"\xff\xfe"], "not valid UTF-8"),
        (["--limti", "5", "x"], "'--limit'"),
        (["-n", "0", "x"], "not in the range 1<=x<=1000"),
        (["-n", "many", "x"], "not a valid integer"),
        (["--min-score", "nan", "x"], "not a number from -1 to 1"),
        (["--timeout", "inf", "x"], "not a number from 0.001 to 604,800"),
        (["--timeout"], "requires an argument"),
        (["--sync=-1", "x"], "not a number from 0 to 3,600"),
        (["--sync=nan", "x"], "not a number from 0 to 3,600"),
        (["why"], "Missing argument 'PATH'"),
        (["why", "/a", " "], "The query is empty"),
        (["--json", "-0", "x"], "exclude each other"),
        (["--json", "--grid", "x"], "--json and --grid exclude each other"),
        (["--json", "--thumbnails", "x"], "--json is for programs and --thumbnails for people"),
        (["-0", "--thumbnails=kitty", "x"], "--null is for programs and --thumbnails for people"),
        (["--format", "{path}", "--thumbnails", "x"], "--format is for programs and --thumbnails for people"),
        (["--thumbnails=foo", "x"], '"foo" is none of auto, kitty, iterm2, sixel, none.'),
        (["--open", "--grid", "x"], "--open shows photos in a viewer, --grid and --thumbnails here: choose one"),
        (["--open=2", "--thumbnails", "x"], "--open shows photos in a viewer"),
        (["--open=0", "x"], "not in the range"),
        (["--all", "--min", "weak", "x"], "--all shows everything and --min does not"),
        (["--min", "nan", "x"], '"nan" is none of strong, likely, weak, and no number from 0 to 1'),
        (["--min", "1.5", "x"], '"1.5" is none of strong, likely, weak'),
        (["--exec", "x", "y"], "--exec goes with --follow"),
        (["--follow", "--grid", "x"], "--follow prints lines"),
        (["--format", "{pth}", "x"], 'did you mean "{path}"?\n'),
        (["--format", "{path", "x"], "write it twice.\n"),
        (["watch", "on", "a", "wrist"], "To search for these words: phsearch-client search watch on a wrist"),
        (["completion", "tcsh"], "'bash', 'zsh', 'fish'"),
    ],
)
def test_wrong_usage_is_explained(
    daemon: ScriptedDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    args: list[str | bytes],
    said: str,
) -> None:
    ran = run_here(monkeypatch, capfd, daemon.path, *args)
    assert ran.status == 2
    assert said in ran.err
    assert ran.out == ""
    assert daemon.asked == []


def test_a_file_that_cannot_be_read_can_be_asked_about(
    daemon: ScriptedDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").touch()
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # as for a file of someone else; root may read all
    ran = run_here(monkeypatch, capfd, daemon.path, "why", str(tmp_path / "a.jpg"))
    assert "not readable" not in ran.err
    assert daemon.asked != []


def test_wrong_usage_is_2_for_a_script(env: dict[str, str]) -> None:
    ran = run(env, "")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith("The query is empty: say what the photo shows, as in: phsearch-client dog on a beach\n")


def test_a_daemon_too_old_for_the_cut_off_is_recognised_by_its_version(socket_path: Path, env: dict[str, str]) -> None:
    old = Refusal("InvalidParams", 'unknown parameter "min_band"')
    with ScriptedDaemon(socket_path, {"search": old, "status": status()}):
        ran = run(env, "beach")
    assert (ran.status, ran.out) == (1, "")
    assert "phsearchd 9.8.7 (protocol 1) does not understand phsearch-client" in ran.err


# --- the answer in a pipeline ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("daemon")
def test_a_pipe_gets_tab_separated_values(env: dict[str, str]) -> None:
    ran = run(env, "beach")
    assert ran.out == "0.2812\t2023-06-01T12:30:05.25+02:00\t/photos/beach.jpg\n0.2000\t\t/photos/sea.jpg\n"
    assert ran.err == ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_odd_names_arrive_exactly_after_null(socket_path: Path, env: dict[str, str], unbuffered: str) -> None:
    with ScriptedDaemon(socket_path, {"search": found(hit(ODD), hit("/photos/b.jpg"))}):
        ran = run(env | {"PYTHONUNBUFFERED": unbuffered}, "-0", "x")
    assert ran.raw == os.fsencode(ODD) + b"\0/photos/b.jpg\0"


def test_odd_names_are_one_field_of_one_line_in_tsv(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"search": found(hit(ODD))}):
        ran = run(env, "x")
    assert ran.raw.split(b"\t")[2] == b"/photos/od\x1b[31md\\tna\\nme\\\\ \xff\xe9\xad\x9a.jpg\n"


@pytest.mark.parametrize("lang", ["C.UTF-8", "C", "POSIX", "en_US.ISO-8859-1"])
def test_names_are_the_same_bytes_in_every_locale(socket_path: Path, env: dict[str, str], lang: str) -> None:
    with ScriptedDaemon(socket_path, {"search": found(hit("/photos/zoë.jpg"))}):
        assert run(env | {"LC_ALL": lang}, "-0", "x").raw == "/photos/zoë.jpg\0".encode()


def test_json_is_one_object_a_line_with_every_field(socket_path: Path, env: dict[str, str]) -> None:
    hits = [hit(ODD), hit("/photos/b.jpg", 0.1, None)]
    with ScriptedDaemon(socket_path, {"search": found(*hits)}):
        ran = run(env, "--json", "x")
    assert [json.loads(line) for line in ran.raw.splitlines()] == hits
    assert b"\x1b" not in ran.raw


def duplicates(*paths: str, kind: str = "exact", more: int = 0) -> dict[str, Any]:
    info = {"size": 1_200_000, "width": 640, "height": 480, "format": "JPEG", "taken_at": "2023-06-01T12:30:05.25"}
    photos = [{"path": path, **info, "copy": at > 0} for at, path in enumerate(paths)]
    return {"kind": kind, "photos": photos, "more": more}


def test_dupes_come_page_by_page_and_numbered(socket_path: Path, env: dict[str, str]) -> None:
    pages = [
        {"groups": [duplicates("/a", "/b")], "total": 2},
        {"groups": [duplicates(ODD, "/c", kind="near")], "total": 2},
    ]
    with ScriptedDaemon(socket_path, {"library.dupes": pages}) as daemon:
        ran = run(env, "dupes", "/photos/..")
    assert ran.out.splitlines()[:2] == ["1\texact\t1200000\t/a", "1\texact\t1200000\t/b"]
    assert [line.split("\t")[:2] for line in ran.out.splitlines()[2:]] == [["2", "near"], ["2", "near"]]
    assert [(asked["offset"], asked["path"]) for _, asked in daemon.asked] == [(0, "/"), (1, "/")]


def test_after_null_dupes_gives_all_but_the_ones_to_keep(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"library.dupes": {"groups": [duplicates("/a", ODD, "/b", more=3)], "total": 1}}):
        ran = run(env, "dupes", "--exact", "-0")
        assert ran.raw == os.fsencode(ODD) + b"\0/b\0"
        assert ran.err == "3 photos of large groups not listed: ask again when some are gone\n"
        assert run(env, "dupes", "--json", "-0").status == 2


def test_dupes_say_what_copies_take_and_that_nothing_was_changed(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"library.dupes": {"groups": [duplicates("/a", "/b", kind="near")], "total": 1}}):
        ran = run_on_terminal(env | {"NO_COLOR": "1"}, "dupes")
    assert ran.out == (
        "near  640x480  1.2 MB  2023-06-01T12:30:05  /a\n"
        "copy  640x480  1.2 MB  2023-06-01T12:30:05  /b\n"
        "\n"
        "1 group; exact copies take 1.2 MB; nothing was changed\n"
    )


def test_no_hit_is_an_empty_answer_and_no_failure(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"search": [found(), found(photos=0)]}):
        ran = run(env, "unicorn")
        assert (ran.status, ran.out) == (0, "")
        assert ran.err.startswith('no photo matches "unicorn"')
        assert "no photo is indexed yet" in run(env, "--json", "unicorn").err


def test_an_answer_that_is_not_complete_yet_says_so(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"search": [found(hit("/a"), pending=3), found(hit("/a"), pending=1)]}):
        assert run(env, "x").err == "3 photos are still being indexed\n"
        assert run(env, "x").err == "1 photo is still being indexed\n"


def test_an_index_that_did_not_catch_up_is_75_after_the_hits(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"search": found(hit("/a"), pending=3) | {"synced": False}}):
        ran = run(env, "--sync=0.5", "x")
    assert (ran.status, ran.out) == (75, "0.2812\t2023-06-01T12:30:05.25+02:00\t/a\n")
    assert "3 photos are still being indexed\n" in ran.err
    assert "phsearch-client: the index had not caught up after 0.5 s: photos may be missing" in ran.err


def test_the_client_waits_longer_than_the_daemon(socket_path: Path, env: dict[str, str]) -> None:
    def late(_params: dict[str, Any]) -> dict[str, Any]:
        time.sleep(scaled(0.3))
        return BEACH

    with ScriptedDaemon(socket_path, {"search": late}):
        assert run(env, f"--timeout={scaled(0.2)}", f"--sync={scaled(1)}", "x").status == 0
        assert run(env, f"--timeout={scaled(0.2)}", "x").status == 75


def test_head_ends_it_without_a_message(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"search": found(*[hit(f"/photos/{'x' * 200}{n}.jpg") for n in range(1000)])}):
        command = f'"{sys.executable}" -m phsearch.cli x | head -n 1; echo "${{PIPESTATUS[@]}}"'
        ran = subprocess.run(
            ["bash", "-c", command], env=env, capture_output=True, text=True, timeout=scaled(20), check=True
        )
    assert ran.stderr == ""
    assert ran.stdout.splitlines()[1] == "141 0"


@pytest.mark.parametrize("args", ["x", "--json x", "--help", "status"])
@pytest.mark.usefixtures("daemon")
def test_closed_streams_are_no_error(env: dict[str, str], args: str) -> None:
    command = f'"{sys.executable}" -m phsearch.cli {args} >&- 2>err; cat err'
    ran = subprocess.run(
        ["bash", "-c", command],
        env=env,
        capture_output=True,
        text=True,
        timeout=scaled(20),
        check=True,
        cwd=env["HOME"],
    )
    assert "Traceback" not in ran.stdout


@pytest.mark.usefixtures("daemon")
def test_a_full_disk_is_a_failure_with_a_reason(env: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*PHSEARCH_CLIENT, "x"], env=env, stdout=full, stderr=subprocess.PIPE, timeout=scaled(20), check=False
        )
    assert ran.returncode == 1
    assert ran.stderr == b"phsearch-client: cannot finish: No space left on device\n"


# --- the answer on a terminal ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("daemon")
def test_a_terminal_gets_a_table_with_links(env: dict[str, str]) -> None:
    ran = run_on_terminal(env, "beach")
    here = f"file://{os.uname().nodename}"
    assert ran.out == (
        "\x1b[2mCOSINE  TAKEN       \x1b[m\x1b[2mPHOTO\x1b[m\n"
        f"\x1b[2m0.281   2023-06-01  \x1b[m\x1b]8;;{here}/photos/beach.jpg\x1b\\/photos/beach.jpg\x1b]8;;\x1b\\\n"
        f"\x1b[2m0.200               \x1b[m\x1b]8;;{here}/photos/sea.jpg\x1b\\/photos/sea.jpg\x1b]8;;\x1b\\\n"
        "\x1b[2m2 photos in 4 ms, of 100\x1b[m\n"
    )


def test_without_a_good_photo_a_terminal_gets_the_nearest_ones_and_a_program_none(
    socket_path: Path, env: dict[str, str]
) -> None:
    nothing = found() | {"nearest": [hit("/photos/fox.jpg")], "hidden": 100, "matching": 100, "closest": 0.08}
    with ScriptedDaemon(socket_path, {"search": nothing}):
        shown = run_on_terminal(env | {"NO_COLOR": "1"}, "a dog")
        assert shown.out == (
            'no photo surely shows "a dog"; the nearest of 100:\n'
            "COSINE  TAKEN       PHOTO\n"
            "0.281   2023-06-01  /photos/fox.jpg\n"
        )
        silence = 'no photo of "a dog": the closest ones are shown with --all\n'
        assert run_on_terminal(env | {"NO_COLOR": "1"}, "--strict", "a dog").out == silence
        for args in (["a dog"], ["--json", "a dog"], ["-0", "a dog"]):
            ran = run(env, *args)
            assert (ran.out, ran.err) == ("", silence)


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
@pytest.mark.usefixtures("daemon")
def test_no_escape_where_none_is_wanted(env: dict[str, str], plain: dict[str, str]) -> None:
    ran = run_on_terminal(env | plain, "beach")
    assert ran.out == (
        "COSINE  TAKEN       PHOTO\n"
        "0.281   2023-06-01  /photos/beach.jpg\n"
        "0.200               /photos/sea.jpg\n"
        "2 photos in 4 ms, of 100\n"
    )


def test_a_path_is_shown_as_it_can_be_pasted_and_is_never_cut(socket_path: Path, env: dict[str, str]) -> None:
    long = "/photos/" + "長い" * 40 + "/beach.jpg"
    home, plain = env | {"HOME": "/photos/me"}, {"NO_COLOR": "1"}
    with ScriptedDaemon(socket_path, {"search": found(hit("/photos/me/Pictures/a b.jpg"), hit(long))}):
        ran = run_on_terminal(home | plain, "beach", columns=80)
    assert ran.out == (
        "COSINE  TAKEN       PHOTO\n"
        "0.281   2023-06-01  ~/'Pictures/a b.jpg'\n"
        f"0.281   2023-06-01  {long}\n"
        "2 photos in 4 ms, of 100\n"
    )


def test_a_name_cannot_drive_the_terminal(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(
        socket_path, {"search": found(hit(ODD), pending=1), "library.errors": SCRIPT["library.errors"]}
    ):
        for args in (["x"], ["errors"], ["--json", "x"]):
            ran = run_on_terminal(env, *args, columns=120)
            seen = re.sub(r"\x1b\[2?m|\x1b\]8;;[!-~]*?\x1b\\", "", ran.out)
            assert "\x1b" not in seen
            assert "31md" in seen


def test_notes_are_dim_on_a_terminal(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"search": found(hit("/a"), pending=3)}):
        assert run_on_terminal(env, "x").out.endswith(
            "\x1b[2m1 photo in 4 ms, of 100; 3 photos are still being indexed\x1b[m\n"
        )


# --- how it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [["beach"], ["--json", "beach"], ["status"], ["status", "--wait"], ["watch"], ["errors"]]
)
def test_no_daemon_is_69_and_says_how_to_start_it(env: dict[str, str], args: list[str]) -> None:
    ran = run(env, *args)
    assert (ran.status, ran.out) == (69, "")
    assert ran.err.startswith("phsearch-client: phsearchd is not running (there is no socket at /")
    assert ran.err.endswith("start it with `phsearchd install --now`, or run phsearchd\n")


def test_a_stale_socket_is_69(socket_path: Path, env: dict[str, str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path))
    ran = run(env, "beach")
    assert ran.status == 69
    assert "nothing listens on" in ran.err


@pytest.mark.parametrize(
    ("told", "exit_status", "said"),
    [
        (SILENCE, 75, f"phsearch-client: the daemon did not answer within {BRIEFLY:g} s: it may be starting or busy"),
        (b'{"jsonrpc":"2.0","id":1,"resu', 75, f"did not answer within {BRIEFLY:g} s"),
        (HANG_UP, 69, "closed the connection before answering"),
        (b"HTTP/1.1 400 Bad Request\r\n", 1, "does not speak phsearch's protocol"),
        (Refusal("NotReady", "still loading", "wait", retryable=True), 75, "phsearch-client: still loading: wait\n"),
        (Refusal("Busy", "too many clients", "", retryable=True), 75, "phsearch-client: too many clients\n"),
        (Refusal("ModelUnavailable", "no weights", "get them"), 1, "phsearch-client: no weights: get them\n"),
        (Refusal("InternalError", "\x1b[2Jboo"), 1, "phsearch-client: \\x1b[2Jboo\n"),
        ({"surprise": 1}, 1, 'cannot make sense of the answer (there is no "hits")'),
        ([1, 2], 1, "cannot make sense of the answer"),
    ],
)
def test_an_error_has_a_status_and_a_sentence(
    socket_path: Path, env: dict[str, str], told: Any, exit_status: int, said: str
) -> None:
    script = {"search": [told] if isinstance(told, list) else told, "status": HANG_UP}
    with ScriptedDaemon(socket_path, script):
        ran = run(env, "--timeout", str(BRIEFLY), "beach")
    assert (ran.status, ran.out) == (exit_status, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_an_interrupt_is_130(socket_path: Path, env: dict[str, str]) -> None:
    for args in (["beach"], ["--json", "beach"], ["watch"]):
        with (
            ScriptedDaemon(socket_path, {"search": SILENCE, "events.subscribe": SILENCE}) as daemon,
            subprocess.Popen(
                [*PHSEARCH_CLIENT, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process,
        ):
            until(lambda daemon=daemon: daemon.asked)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=scaled(20))
            assert process.returncode == 130
            assert err.strip() == b""


def test_an_interrupted_wait_leaves_a_clean_line(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"status": status(7)}) as daemon:
        process = subprocess.Popen([*PHSEARCH_CLIENT, "status", "--wait"], env=env, stdout=-1, stderr=-1)
        until(lambda: len(daemon.asked) > 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=scaled(20))
    assert (process.returncode, out, err.strip()) == (130, b"", b"")


def until(condition: Any) -> None:
    deadline = time.monotonic() + scaled(10)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- the other commands ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("daemon")
def test_status_is_one_object_with_the_fixed_names(env: dict[str, str]) -> None:
    ran = run(env, "status", "--json")
    assert json.loads(ran.out) == status()
    assert ran.out.count("\n") == 1


@pytest.mark.usefixtures("daemon")
def test_status_for_people(env: dict[str, str]) -> None:
    assert run(env, "status").out.startswith("phsearchd 9.8.7  pid 4711, up 1 min\nmodel     mini on cpu")
    assert run_on_terminal(env, "status").out.startswith("\x1b[1mphsearchd 9.8.7\x1b[m  pid 4711")


def test_waiting_ends_when_nothing_is_left(socket_path: Path, env: dict[str, str]) -> None:
    steps = [status(scanning=True), status(2, scanning=True), status(1, embedded=1), status(embedded=2)]
    with ScriptedDaemon(socket_path, {"status": steps}) as daemon:
        ran = run(env, "status", "--wait", "--json")
    assert ran.status == 0
    assert json.loads(ran.out) == steps[-1]
    assert ran.err == ""
    assert (len(daemon.asked), daemon.connections) == (4, 1)


def test_waiting_shows_progress_on_a_terminal(socket_path: Path, env: dict[str, str]) -> None:
    steps = [status(scanning=True), status(100), status(50, embedded=50), status(embedded=100)]
    with ScriptedDaemon(socket_path, {"status": steps}):
        ran = run_on_terminal(env, "status", "--wait", columns=100)
    assert "\rlooking for photos\x1b[K" in ran.out
    assert f"\r{'░' * 24} 0/100 photos  12.5/s  8 s left\x1b[K" in ran.out
    assert f"\r{'█' * 12}{'░' * 12} 50/100 photos  12.5/s  4 s left\x1b[K\r\x1b[K\x1b[1mphsearchd" in ran.out


def test_the_total_of_a_wait_stays_the_same_while_the_index_is_written(socket_path: Path, env: dict[str, str]) -> None:
    steps = [status(100), status(66, embedded=50) | {"unwritten": 16}, status(1, embedded=100) | {"unwritten": 1}]
    with ScriptedDaemon(socket_path, {"status": [*steps, status(embedded=100)]}):
        ran = run_on_terminal(env, "status", "--wait", columns=100)
    assert [f"{done}/100 photos" in ran.out for done in (0, 50, 100)] == [True] * 3


def test_a_wait_says_that_the_model_is_loading(socket_path: Path, env: dict[str, str]) -> None:
    loading = status(5)
    loading["model"] = {**loading["model"], "state": "loading"}
    with ScriptedDaemon(socket_path, {"status": [loading, status(embedded=5)]}):
        ran = run_on_terminal(env, "status", "--wait", columns=100)
    assert "0/5 photos  loading the model" in ran.out


def test_waiting_is_bounded_by_the_timeout(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"status": status(7)}):
        ran = run(env, "status", "--wait", "--timeout", "0.5")
    assert ran.status == 75
    assert ran.out == ""
    assert ran.err.startswith("phsearch-client: not done within 0.5 s, 7 photos pending: the daemon goes on")


@pytest.mark.parametrize("model", ["unavailable", "mismatch"])
def test_waiting_fails_at_once_where_it_cannot_end(socket_path: Path, env: dict[str, str], model: str) -> None:
    with ScriptedDaemon(socket_path, {"status": status(7, model=model)}):
        ran = run(env, "status", "--wait")
    assert ran.status == 1
    assert ran.err == ("phsearch-client: 7 photos cannot be indexed: the weights are damaged: install them again\n")


PACE = {"state": "full", "share": 1.0, "causes": [], "text": "at full pace", "until": None, "pressure": "others"}
LOW = PACE | {"state": "paused", "share": 0.0, "causes": ["low battery"], "text": "paused: battery at 12 %"}


def test_waiting_says_once_that_indexing_is_paused_and_goes_on_waiting(socket_path: Path, env: dict[str, str]) -> None:
    held = status(3) | {"pace": LOW}
    steps = [
        held,
        held,
        held | {"pace": LOW | {"text": "paused: battery at 11 %"}},
        status(2) | {"pace": PACE},
        status(),
    ]
    with ScriptedDaemon(socket_path, {"status": steps}):
        ran = run(env, "status", "--wait")
    assert ran.status == 0
    assert ran.err == (
        "indexing is paused: battery at 12 % (`phsearch-client resume --force` goes on); waiting\n"
        "indexing is paused: battery at 11 % (`phsearch-client resume --force` goes on); waiting\n"
    )


def test_the_pace_is_shown_unless_it_is_full(socket_path: Path, env: dict[str, str]) -> None:
    blind = PACE | {"pressure": None}
    with ScriptedDaemon(socket_path, {"status": [status() | {"pace": pace} for pace in (PACE, LOW, blind)]}):
        full, low, deaf = (run(env, "status").out for _ in range(3))
    assert "pace" not in full
    assert "pace      paused: battery at 12 %; `phsearch-client resume --force` overrides that\n" in low
    assert "pace      at full pace (the kernel tells nothing of pressure" in deaf


def test_pause_and_resume_send_what_was_meant(socket_path: Path, env: dict[str, str]) -> None:
    answers = [{"pace": LOW, "kept": kept} for kept in (True, False, True)]
    with ScriptedDaemon(socket_path, {"library.pause": answers, "library.resume": answers[0]}) as daemon:
        runs = [run(env, "pause", *words) for words in ([], ["1h30m"], ["2", "h"])]
        runs += [run(env, "resume", *words) for words in ([], ["--force"])]
    assert daemon.asked == [
        ("library.pause", {}),
        ("library.pause", {"seconds": 5400}),
        ("library.pause", {"seconds": 7200}),
        ("library.resume", {}),
        ("library.resume", {"force": True}),
    ]
    assert {ran.out for ran in runs} == {"indexing is paused: battery at 12 %\n"}
    unsaved = "this could not be saved, and does not outlive a restart of the daemon: its log says why\n"
    assert [ran.err for ran in runs] == ["", unsaved, "", "`phsearch-client resume --force` overrides that\n", ""]


def test_words_that_are_no_duration_are_refused_with_a_hint(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {}) as daemon:
        ran = run(env, "pause", "button")
    assert (ran.status, daemon.asked) == (2, [])
    assert '"button" is no duration: say 30m, 2h or 1h30m' in ran.err
    assert "phsearch-client search pause button" in ran.err


def test_rescan_sends_an_absolute_path(daemon: ScriptedDaemon, env: dict[str, str]) -> None:
    assert run(env, "rescan").out == "/photos\n"
    run(env, "rescan", "some/../here")
    assert daemon.asked == [("library.rescan", {}), ("library.rescan", {"path": f"{Path.cwd()}/here"})]


def test_why_sends_an_absolute_path_and_any_bytes(daemon: ScriptedDaemon, env: dict[str, str]) -> None:
    ran = run(env, "why", b"some/../od\xffd.jpg", "on", "a beach")
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.endswith("\\xff\u9b5a.jpg: there is no such file\n")
    asked = {"path": f"{Path.cwd()}/od\udcffd.jpg", "query": "on a beach"}
    assert daemon.asked == [("library.why", asked)]
    assert json.loads(run(env, "why", "--json", "/x").out) == WHY | {"match": None}


@pytest.mark.usefixtures("daemon")
def test_words_that_begin_with_why_get_a_hint(env: dict[str, str]) -> None:
    assert run(env, "why", "so", "blue").err == "to search for these words: phsearch-client search why so blue\n"


@pytest.mark.usefixtures("daemon")
def test_errors_come_in_every_form(env: dict[str, str]) -> None:
    assert run(env, "errors").raw.startswith(b"3\tcut short\t/photos/od")
    assert json.loads(run(env, "errors", "--json").out) == SCRIPT["library.errors"]["errors"][0]
    assert run_on_terminal(env | {"NO_COLOR": "1"}, "errors", columns=120).out.startswith("3x  cut short  $'/photos/od")


def test_errors_tell_a_damaged_photo_from_one_that_cannot_be_decoded_here(
    socket_path: Path, env: dict[str, str]
) -> None:
    rows = [
        {"path": f"/p/{kind}.jpg", "reason": reason, "attempts": 1, "failed_at": 0.0, "kind": kind}
        for kind, reason in (
            ("damaged", "damaged JPEG data"),
            ("unsupported", "this kind of TIFF is not supported"),
            ("other", "not enough memory to decode"),
        )
    ]
    with ScriptedDaemon(socket_path, {"library.errors": {"errors": rows, "total": 3}}):
        assert run(env, "errors").out.splitlines() == [
            "1\tdamaged JPEG data\t/p/damaged.jpg",
            "1\tcannot be decoded here: this kind of TIFF is not supported\t/p/unsupported.jpg",
            "1\tnot enough memory to decode\t/p/other.jpg",
        ]
        assert [json.loads(line)["kind"] for line in run(env, "errors", "--json").out.splitlines()] == [
            "damaged",
            "unsupported",
            "other",
        ]


def test_errors_that_may_pass_come_with_what_to_do(socket_path: Path, env: dict[str, str]) -> None:
    row = {"path": "/p/a.jpg", "reason": "cannot be read: Input/output error", "attempts": 1, "failed_at": 0.0}
    with ScriptedDaemon(socket_path, {"library.errors": {"errors": [row | {"scope": "file"}, row], "total": 2}}):
        assert run(env, "errors").err == (
            "of 1 photo the disk or the permissions may be at fault; each scan tries again, and "
            "`phsearch-client errors --retry` does so now\n"
        )
        assert run(env, "errors", "--json").err == ""


def test_failed_photos_to_try_again_are_named_by_an_absolute_path_or_not_at_all(
    socket_path: Path, env: dict[str, str]
) -> None:
    with ScriptedDaemon(socket_path, {"library.retry": [{"retried": 2}, {"retried": 1}, {"retried": 0}]}) as daemon:
        assert run(env, "errors", "--retry", "--json").out == '{"retried": 2}\n'
        assert run(env, "errors", "--retry", "a.jpg").out == "trying 1 photo again\n"
        assert run(env, "errors", "--retry").out == "nothing to try again\n"
    asked = [params for _, params in daemon.asked]
    assert asked == [{}, {"path": f"{Path.cwd()}/a.jpg"}, {}]


def verdict(*mismatches: tuple[str, str], **more: Any) -> dict[str, Any]:
    rows = [{"path": path, "kind": kind, "detail": "so"} for kind, path in mismatches]
    return {
        "ok": not rows,
        "rows": 9,
        "checked": 8,
        "sampled": 1,
        "not_checked": 0,
        "lowest_cosine": 0.99712,
        "mismatched": len(rows),
        "mismatches": rows,
        "took_ms": 1.0,
    } | more


def test_a_report_is_readable_and_has_an_exit_status(socket_path: Path, env: dict[str, str]) -> None:
    bad = verdict(("other bytes", "/p/a.jpg"), ("file changed", "/p/b\n.jpg"), not_checked=1)
    with ScriptedDaemon(socket_path, {"library.verify": [verdict(), bad]}) as daemon:
        good = run(env, "verify")
        assert (good.status, good.err) == (0, "")
        assert good.out.splitlines() == [
            "9 rows, 8 photos compared with the files",
            "1 photo read again, lowest cosine 0.9971",
            "the index is right",
        ]
        wrong = run(env, "verify", "--sample", "all")
        assert wrong.status == 1
        assert wrong.out.splitlines() == [
            "other bytes\tso\t/p/a.jpg",
            r"file changed	so	/p/b\n.jpg".replace(r"\t", "\t"),
            "9 rows, 8 photos compared with the files",
            "1 photo read again, lowest cosine 0.9971",
            "1 photo not checked: offline, or not to be read now",
            "2 mismatches",
            "  `phsearch-client rescan` takes in files that changed unnoticed",
            "  compare a file of other bytes with your backup; if it is as it should be, `touch` it",
        ]
        assert json.loads(run(env, "verify", "--json", "--sample", "7").out) == bad
        shown = run_on_terminal(env | {"NO_COLOR": "1"}, "verify", columns=120).out
    assert "other bytes   so  /p/a.jpg" in shown
    assert [params["sample"] for _, params in daemon.asked[:3]] == [200, 2**53, 7]


def test_verify_waits_for_its_answer_unless_told_otherwise(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"library.verify": SILENCE}):
        ran = run(env, "verify", "--timeout", "0.2")
    assert (ran.status, "did not answer within 0.2 s" in ran.err) == (75, True)


@pytest.mark.parametrize("sample", ["some", "-1", "1.5", "", "9" * 30])
def test_a_sample_is_a_number_of_photos_or_all(env: dict[str, str], sample: str) -> None:
    ran = run(env, "verify", "--sample", sample)
    assert (ran.status, 'neither a number of photos nor "all"' in ran.err) == (2, True)


def test_all_pages_of_errors_are_fetched(socket_path: Path, env: dict[str, str]) -> None:
    rows = [{"path": f"/p/{n}", "reason": "bad", "attempts": 1, "failed_at": 0.0} for n in range(7)]

    def page(params: dict[str, int]) -> dict[str, Any]:
        return {"errors": rows[params["offset"] :][:3], "total": len(rows)}  # a page may be shorter than asked for

    with ScriptedDaemon(socket_path, {"library.errors": page}):
        assert [json.loads(line) for line in run(env, "errors", "--json").out.splitlines()] == rows


def test_no_errors_is_an_empty_answer(socket_path: Path, env: dict[str, str]) -> None:
    with ScriptedDaemon(socket_path, {"library.errors": {"errors": [], "total": 0}}):
        ran = run(env, "errors")
    assert (ran.status, ran.out, ran.err) == (0, "", "every photo could be read\n")


def test_watch_prints_each_event_as_it_happens(socket_path: Path, env: dict[str, str]) -> None:
    events = [{"type": "indexed", "path": "/p/a.jpg"}, {"type": "failed", "path": ODD, "reason": "cut short"}]
    script = {"events.subscribe": {"subscribed": True}}
    with ScriptedDaemon(socket_path, script, events):
        ran = run(env, "watch", "--json")
        assert [json.loads(line) for line in ran.out.splitlines()] == events
        assert ran.status == 69
        assert run(env, "watch").raw.startswith(b"indexed\t\t/p/a.jpg\nfailed\treason=cut short\t/photos/od")
        seen = run_on_terminal(env | {"NO_COLOR": "1"}, "watch", columns=120).out
    assert re.search(r"^\d\d:\d\d:\d\d  indexed  /p/a\.jpg$", seen, re.MULTILINE)
    assert "\x1b" not in seen


def test_version_names_the_daemons_if_it_can(socket_path: Path, env: dict[str, str]) -> None:
    mine = f"phsearch-client {phsearch.__version__}\n"
    ran = run(env, "--version")
    assert (ran.status, ran.out, ran.err) == (0, mine, "")
    for told, daemons in ((status(), "phsearchd 9.8.7 (protocol 1)\n"), (SILENCE, ""), ({}, ""), (b"junk\n", "")):
        with ScriptedDaemon(socket_path, {"status": told}):
            ran = run(env, "--version")
        assert (ran.status, ran.out, ran.err) == (0, mine + daemons, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_eval(env: dict[str, str], shell: str) -> None:
    ran = run(env | {"SHELL": f"/usr/bin/{shell}"}, "completion")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == run(env, "completion", shell).out
    assert "_PHSEARCH_CLIENT_COMPLETE" in ran.out


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("phsearch-client st", "status"),
        ("phsearch-client --js", "--json"),
        ("phsearch-client --sock", "--socket"),
        ("phsearch-client status --wa", "--wait"),
        ("phsearch-client beach --lim", "--limit"),
        ("phsearch-client completion fi", "fish"),
    ],
)
def test_the_shell_gets_its_suggestions(env: dict[str, str], words: str, wanted: str) -> None:
    asking = {"_PHSEARCH_CLIENT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    ran = run(env | asking)
    assert f"plain,{wanted}" in ran.out.splitlines()


@pytest.mark.usefixtures("daemon")
def test_a_search_loads_nothing_heavy(env: dict[str, str]) -> None:
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "from phsearch.cli import main; main()"
    )
    for args, click in ((["beach"], False), (["--json", "beach"], True)):
        done = subprocess.run([sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, check=True)
        loaded = set(done.stderr.split())
        assert ("click" in loaded) is click
        assert not loaded & {
            "torch",
            "open_clip",
            "lancedb",
            "pyarrow",
            "numpy",
            "PIL",
            "watchdog",
            "pydantic",
            "asyncio",
        }
