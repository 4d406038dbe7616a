"""No command of either program lets a name drive the terminal, and a pipe gets the exact bytes of every name.

All run against one real daemon: photos, folders, a camera, the home folder and a root have names that would drive it.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from phsearch.cli.names import COMMANDS
from phsearch.daemon.main import commands as daemon_commands
from support.harness import PHSEARCH_CLIENT, PHSEARCHD, Daemon, photo
from support.terminals import driving_chars, run_on_terminal
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.terminals import Ran

NAMES = (
    b"a\x1b]0;title\x07\x1b[41mred.png",
    b"b\nSPOOFED line.png",
    b"c\xc2\x9b41mC1\xc2\x85.png",
    b"d\xe2\x80\xaegnp.exe\xe2\x80\xa8.png",
    b"e\r\x08\x08over\x7f.png",
    b"f\xff\x9b41m\xfe.png",
    b"-rf `id` {path}\t.png",
)
FOLDER = os.fsdecode(b"g\x1b[41m\nSPOOFED dir\x9b")
BROKEN = "broken\x1b[2J\u202e.png"
MISSING = "/nowhere/\x1b[41m\nSPOOFED.png"
WORD = "\x1b[41mfoo\r"
OURS = re.compile(
    r"\x1b\[(?:[0-3]|3[123])?m|\x1b\[K|\x1b\[\d*[ABC]|\x1b[78]|\x1b\]8;;(?:file://[!-~]*?)?\x1b\\|\x1b_G[ -~]*\x1b\\"
    r"|\r(?=\x1b\[K|\x1b\[\d*[BC]|[^\n])"
)
"""Styles, a cleared line, movements beside a picture, a link to a file, a picture of kitty's protocol."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    started = Daemon(tmp_path_factory.mktemp("h"))
    started.photos = started.home / "\x1b[41m\n\u202e"
    (started.photos / FOLDER).mkdir(parents=True)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Evil\x1b[41m", "Cam\u202e\nSPOOFED"
    for at, name in enumerate(map(os.fsdecode, NAMES)):
        photo(started.photos / name, (200 + at, 0, 0), exif=exif)
        photo(started.photos / FOLDER / name, (0, 0, 200 + at), exif=exif)
    green = photo(started.photos / "green.png", "green")
    shutil.copy(green, started.photos / FOLDER / f"copy{BROKEN}")
    (started.photos / BROKEN).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    started.env |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "SHELL": "/bin/bash", "PAGER": "cat"}
    started.start()
    try:
        started.becomes(photos=2 * len(NAMES) + 2, pending=0, errors=1)
        started.call("albums.save", name="evil", query="red -camera:\x1b[41m", folder=True)
        yield started
    finally:
        started.stop()


def hostile(daemon: Daemon, number: int = 0) -> str:
    return str(daemon.photos / os.fsdecode(NAMES[number]))


def client_lines(daemon: Daemon) -> list[Sequence[str]]:
    """Return command lines: every command at least once, each in every form of its output."""
    each = [str(daemon.photos / os.fsdecode(name)) for name in NAMES]
    return [
        ("--all", "red"),
        ("--all", "--expand", "red"),
        ("--softmax", "--all", "red"),
        ("--all", "-0", "red"),
        ("--all", "--json", "red"),
        ("--all", "--format", "{path} {name} {folder} {camera} {root}", "red"),
        ("--all", "--format", "{path}\\0", "red"),
        ("--all", "--grid", "--thumbnails=kitty", "red"),
        ("--all", "--thumbnails=kitty", "red"),
        ("--like", hostile(daemon)),
        (f"like:{MISSING}",),
        (f"in:{WORD}",),
        (f"camera:{WORD}", "red"),
        (WORD,),
        ("--limit", WORD, "x"),
        (f"--{WORD}",),
        ("--format", f"{{{WORD}}}", "x"),
        ("--min", WORD, "x"),
        ("--socket", MISSING, "status"),
        ("--version",),
        ("--help",),
        ("search", "red"),
        ("status",),
        ("status", "--json"),
        ("status", "--wait"),
        ("albums",),
        ("albums", "list", "--json"),
        ("albums", "save", "--folder", "other", "red"),
        ("albums", "save", WORD, "red"),
        ("albums", "show", "evil"),
        ("albums", "show", "-0", "evil"),
        ("albums", "show", "--json", "evil"),
        ("albums", "show", WORD),
        ("albums", "remove", WORD),
        ("dupes",),
        ("dupes", "-0"),
        ("dupes", "--json"),
        ("dupes", MISSING),
        *(("show", "--thumbnails=kitty", path) for path in each),
        ("show", "--thumbnails=kitty", MISSING),
        ("show", "--size", WORD, MISSING),
        ("rescan",),
        ("rescan", hostile(daemon)),
        ("rescan", MISSING),
        ("errors",),
        ("errors", "--json"),
        ("errors", "--retry", str(daemon.photos / BROKEN)),
        ("errors", f"--retry={MISSING}"),
        ("confirm-deletions", "--yes", str(daemon.photos)),
        ("confirm-deletions", "--yes", MISSING),
        ("reload",),
        ("reload", "--json"),
        ("reload", WORD),
        ("forget", MISSING),
        ("pause", WORD),
        ("pause", "1s"),
        ("resume",),
        ("resume", "--json"),
        *(("why", path) for path in each),
        ("why", "--json", hostile(daemon)),
        ("why", hostile(daemon), "red"),
        ("why", str(daemon.photos / FOLDER)),
        ("why", str(daemon.photos / BROKEN)),
        ("why", WORD),
        ("verify", "--sample", "all"),
        ("verify", "--json"),
        ("verify", "--sample", WORD),
        ("doctor",),
        ("doctor", "--json"),
        ("metrics",),
        ("metrics", "--textfile", MISSING),
        ("model",),
        ("model", WORD),
        ("model", "list"),
        ("model", "list", "--fast", "--json"),
        ("model", "remove", f"local-dir:{WORD}"),
        ("model", "cancel"),
        ("search", "--model", f"local-dir:{WORD}", "red"),
        ("model", "use", f"local-dir:{WORD}"),
        ("model", "status"),
        ("model", "status", "--json"),
        ("status",),
        ("model", "list", "--fast"),
        ("model", "use", "mini"),
        ("completion",),
        ("completion", WORD),
        ("help",),
        ("help", "searching"),
        ("help", "why"),
        ("help", WORD),
        ("mcp", WORD),
    ]


def daemon_lines(daemon: Daemon) -> list[Sequence[str]]:
    return [
        ("--help",),
        ("--version",),
        ("--root", hostile(daemon)),
        ("--config", MISSING),
        ("--state-dir", f"/proc/{WORD}"),
        ("--model", WORD, "--state-dir", f"/proc/{WORD}"),
        (WORD,),
        ("--log-level", WORD),
        (
            "--root",
            str(daemon.photos),
            "--state-dir",
            f"{daemon.home}/o",
            "--socket",
            f"{daemon.home}/s",
            "--log-level",
            "debug",
        ),
        ("install", WORD),
        ("install", "--root", MISSING),
        ("uninstall", WORD),
        ("uninstall", "--purge"),
    ]


def raw(ran: Ran) -> str:
    """Return what would drive the terminal of the output, or passes for a line of it; "" if it is harmless."""
    shown = OURS.sub("", ran.out)
    bad = {char for char in driving_chars(shown) if char not in "\n\0"}
    spoofed = re.findall(r"^\s*SPOOFED.*", shown, re.MULTILINE)
    return f"{sorted(bad)} {spoofed}" if bad or spoofed else ""


def test_every_command_is_tried(daemon: Daemon) -> None:
    assert COMMANDS.keys() - {line[0] for line in client_lines(daemon)} == {"watch"}  # it has a test of its own
    assert daemon_commands.commands.keys() <= {line[0] for line in daemon_lines(daemon)}


def test_no_command_of_the_client_lets_a_name_drive_the_terminal(daemon: Daemon) -> None:
    ran = {line: run_on_terminal(daemon.env, *line, columns=2000) for line in client_lines(daemon)}
    assert {line: found for line, each in ran.items() if (found := raw(each))} == {}
    assert [line for line, each in ran.items() if "Traceback" in each.out or "cannot make sense" in each.out] == []
    assert [line for line, each in ran.items() if not each.out] == []


def test_no_command_of_the_daemon_does(daemon: Daemon) -> None:
    moved = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME"), str(daemon.home / "x\x1b[41m\nSPOOFED"))
    env = daemon.env | {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    until = r"\[y/N\]|photos indexed, listening"
    ran = {
        line: run_on_terminal(
            env | moved if "install" in line[0] else env, *line, columns=2000, program=PHSEARCHD, until=until
        )
        for line in daemon_lines(daemon)
    }
    assert {line: found for line, each in ran.items() if (found := raw(each))} == {}
    assert [line for line, each in ran.items() if "Traceback" in each.out] == []
    assert [line for line, each in ran.items() if not each.out] == []


@pytest.mark.parametrize(
    "line",
    [
        ("watch",),
        ("watch", "--json"),
        ("--follow", "red"),
        ("--follow", "--all", "--json", "red"),
        ("--follow", "--all", "--format", "{path}", "red"),
        ("--follow", "--all", "-0", "red"),
        ("--follow", "--all", "--exec", "false", "red"),
    ],
    ids=" ".join,
)
def test_what_goes_on_until_it_is_interrupted_does_neither(daemon: Daemon, line: Sequence[str]) -> None:
    folder = daemon.photos / FOLDER / "-".join(line).replace("/", "")
    ended = threading.Event()

    def add_photos() -> None:
        for number in itertools.count():
            photo(folder / f"{number}{os.fsdecode(NAMES[0])}", "red")
            if ended.wait(0.5):
                return

    adding = threading.Thread(target=add_photos)
    adding.start()
    ran = run_on_terminal(daemon.env, *line, columns=2000, until=r"red\.png")
    ended.set()
    adding.join()
    assert raw(ran) == ""
    assert "red.png" in ran.out


def test_a_pipe_gets_the_exact_bytes(daemon: Daemon) -> None:
    wanted = {os.fsencode(daemon.photos) + b"/" + name for name in NAMES}

    def piped(*args: str) -> bytes:
        done = subprocess.run(
            [*PHSEARCH_CLIENT, "--all", "--expand", "--limit", "200", *args, "red"],
            env=daemon.env,
            stdout=subprocess.PIPE,
            check=True,
            timeout=scaled(30),
        )
        return done.stdout

    assert wanted <= set(piped("-0").split(b"\0"))
    in_one_line = {each.replace(b"\t", rb"\t").replace(b"\n", rb"\n").replace(b"\r", rb"\r") for each in wanted}
    assert in_one_line <= set(piped("--format", "{path}").split(b"\n"))
