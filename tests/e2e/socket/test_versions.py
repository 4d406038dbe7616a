"""Client and daemon of different versions: each command answers, or says in one sentence what to do."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from phsearch import __version__
from support.harness import PHSEARCH_CLIENT, Daemon, daemon_program, photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER_VERSION_DAEMON = daemon_program("other_version")
COMMANDS = {
    "words": ["red"],
    "json": ["--json", "red"],
    "null": ["-0", "red"],
    "sync": ["--sync=10", "red"],
    "status": ["status"],
    "status json": ["status", "--json"],
    "wait": ["status", "--wait"],
    "version": ["--version"],
    "rescan": ["rescan"],
    "errors": ["errors"],
    "retry": ["errors", "--retry"],
    "why": ["why", "PHOTOS/red.png", "red"],
    "verify": ["verify"],
    "confirm": ["confirm-deletions", "--yes", "PHOTOS"],
}
OURS = f"phsearch-client {__version__} (protocol 1)"
LATER = {"sync", "retry", "why", "verify"}
"""What the older daemon does not know."""


@contextlib.contextmanager
def other(home: Path, which: str) -> Iterator[Daemon]:
    daemon = Daemon(home, OTHER_VERSION_DAEMON, "[watch]\nsettle_seconds = 0.2\n")
    daemon.env["OTHER"] = which
    photo(daemon.photos / "red.png", "red")
    (daemon.photos / "bad.png").write_bytes(b"no picture")
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with other(tmp_path_factory.mktemp("older"), "older") as daemon:
        daemon.becomes(photos=1, pending=0)
        yield daemon


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with other(tmp_path_factory.mktemp("newer"), "newer") as daemon:
        daemon.becomes(photos=1, pending=0)
        yield daemon


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with other(tmp_path_factory.mktemp("changed"), "changed") as daemon:
        daemon.becomes(photos=1, pending=0)
        yield daemon


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with other(tmp_path_factory.mktemp("broken"), "broken") as daemon:
        yield daemon


def run(daemon: Daemon, command: str) -> tuple[int, str, str]:
    words = [word.replace("PHOTOS", str(daemon.photos)) for word in COMMANDS[command]]
    done = daemon.cli(*words, check=False)
    assert "Traceback" not in done.stderr
    assert "Error: " not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_older_daemon_does_what_it_can_and_is_named_where_it_cannot(older: Daemon, command: str) -> None:
    status, out, err = run(older, command)
    if command not in LATER:
        assert (status, err) == (0, "nothing is missing in " + str(older.photos) + "\n" if command == "confirm" else "")
        assert out or command == "confirm"
        return
    assert (status, out) == (1, "")
    assert err.startswith(f"phsearch-client: phsearchd 0.0.9 (protocol 1) does not understand {OURS} (")
    assert err.endswith("): restart the daemon after an upgrade: `systemctl --user restart phsearch`\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_newer_daemon_that_has_only_added_is_understood(newer: Daemon, command: str) -> None:
    status, out, err = run(newer, command)
    assert status == 0
    assert out or err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_daemon_of_another_protocol_is_not_misunderstood(changed: Daemon, command: str) -> None:
    status, out, err = run(changed, command)
    if command in {"status", "status json", "wait", "version"}:
        assert status == 0
        assert "9.2.0" in out
        return
    if command == "confirm" and status == 0:
        assert "nothing is missing" in err  # known from the status alone
        return
    assert (status, out) == (1, "")
    assert err.startswith(f"phsearch-client: phsearchd 9.2.0 (protocol 2) does not understand {OURS} (")
    assert err.endswith("upgrade this client, or see whether another one comes first in $PATH\n")


@pytest.mark.parametrize("command", ["words", "json", "sync", "status", "rescan", "errors", "why", "verify"])
def test_an_answer_that_makes_no_sense_names_both_versions(broken: Daemon, command: str) -> None:
    status, _, err = run(broken, command)
    assert status == 1
    assert f"phsearchd 0.0.8 (protocol 1) does not answer as expected by {OURS}" in err
    assert "systemctl --user restart phsearch" in err


def test_watching_a_daemon_of_another_protocol_is_refused(changed: Daemon) -> None:
    done = changed.cli("watch", check=False)
    assert done.returncode == 1
    assert "phsearchd 9.2.0 (protocol 2)" in done.stderr


def test_an_assistant_is_told_what_an_older_daemon_does_not_understand(older: Daemon) -> None:
    asked = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    said = [
        {"id": 1, "method": "initialize", "params": asked},
        {"id": 2, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "red"}}},
        {"id": 3, "method": "tools/call", "params": {"name": "why", "arguments": {"path": "/x"}}},
    ]
    lines = "\n".join(json.dumps({"jsonrpc": "2.0"} | each) for each in said)
    done = subprocess.run(
        [*PHSEARCH_CLIENT, "mcp"], env=older.env, input=lines, capture_output=True, text=True, check=True
    )
    answers = {answer["id"]: answer["result"] for answer in map(json.loads, done.stdout.splitlines())}
    assert "red.png" in answers[2]["content"][0]["text"]
    assert answers[3]["isError"]
    text = answers[3]["content"][0]["text"]
    assert text.startswith(f"phsearchd 0.0.9 (protocol 1) does not understand {OURS} (")
    assert text.endswith("restart the daemon after an upgrade: `systemctl --user restart phsearch`")


def test_what_went_wrong_is_shown_to_whoever_looks_for_bugs(broken: Daemon) -> None:
    broken.env["PHSEARCH_DEBUG"] = "1"
    try:
        done = broken.cli("red", check=False)
    finally:
        del broken.env["PHSEARCH_DEBUG"]
    assert "Traceback" in done.stderr
    assert "KeyError" in done.stderr
    assert os.environ.get("PHSEARCH_DEBUG") is None
