"""The real client and the real daemon."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.harness import PHSEARCH_CLIENT, Daemon, photo, running
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("commands"), settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        for number in range(4):
            photo(daemon.photos / f"red{number}.png", (200 + number, 0, 0))
        photo(daemon.photos / "blue.png", "blue")
        (daemon.photos / "bad.jpg").write_text("no picture")
        daemon.becomes(photos=5, errors=1, pending=0)
        yield daemon


def test_words_are_a_query_and_a_pipe_gets_tab_separated_values(daemon: Daemon) -> None:
    rows = [line.split("\t") for line in daemon.cli("blue").stdout.splitlines()]
    assert len(rows) == 5
    score, taken_at, path = rows[0]
    assert (float(score) > 0.9, taken_at, path) == (True, "", str(daemon.photos / "blue.png"))


def test_search_in_full_finds_words_that_are_commands(daemon: Daemon) -> None:
    assert len(daemon.cli("search", "status").stdout.splitlines()) == 5


def test_limit_and_min_score(daemon: Daemon) -> None:
    assert len(daemon.cli("-n", "2", "red").stdout.splitlines()) == 2
    rows = daemon.cli("--min-score", "0.5", "red").stdout.splitlines()
    assert len(rows) == 4
    nothing = daemon.cli("--min-score", "0.999", "yellow")
    assert nothing.stdout == ""
    assert "no photo matches" in nothing.stderr


def test_json_is_one_object_a_line_with_the_fields_of_a_hit(daemon: Daemon) -> None:
    hits = [json.loads(line) for line in daemon.cli("--json", "-n", "3", "red").stdout.splitlines()]
    assert len(hits) == 3
    first = {"path", "score", "sequence", "root", "taken_at", "width", "height", "format", "offline", "last_seen"}
    assert set(hits[0]) == first | {"relevance", "band", "share", "more", "camera", "indexed_at"}
    assert (hits[0]["width"], hits[0]["height"], hits[0]["format"]) == (64, 48, "PNG")


def test_status_as_json_has_the_fixed_names(daemon: Daemon) -> None:
    status = json.loads(daemon.cli("status", "--json").stdout)
    assert {"version", "protocol", "model", "photos", "pending", "errors", "counters", "roots"} <= set(status)
    assert set(status["counters"]) == {"embedded", "reused", "removed", "failed"}
    root = status["roots"][0]
    assert (root["path"], root["state"], root["photos"]) == (str(daemon.photos), "watching", 5)
    assert (root["missing"], root["last_seen"], root["overflows"]) == (0, None, 0)
    assert (status["photos"], status["errors"], status["pending"]) == (5, 1, 0)


def test_status_for_people_names_the_parts(daemon: Daemon) -> None:
    shown = daemon.cli("status", "--wait").stdout
    assert str(daemon.photos) in shown
    assert "mini" in shown


def test_errors_as_json_is_one_object_a_line(daemon: Daemon) -> None:
    (row,) = [json.loads(line) for line in daemon.cli("errors", "--json").stdout.splitlines()]
    assert {"path", "reason", "attempts"} <= set(row)
    assert (row["path"], row["attempts"]) == (str(daemon.photos / "bad.jpg"), 1)


def test_rescan_and_wait_see_what_appeared(daemon: Daemon) -> None:
    assert daemon.cli("rescan", str(daemon.photos)).returncode == 0
    assert daemon.cli("status", "--wait").returncode == 0
    outside = daemon.cli("rescan", "/nowhere", check=False)
    assert (outside.returncode, "lies in no watched folder" in outside.stderr) == (1, True)


def test_watch_shows_what_happens_until_it_is_interrupted(daemon: Daemon) -> None:
    watching = subprocess.Popen(
        [*PHSEARCH_CLIENT, "watch", "--json"], env=daemon.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None
    with watching:
        # The first events may come before the subscription stands, so there are several.
        for number in range(20):
            path = photo(daemon.photos / f"event{number}.png", "green")
            daemon.becomes(photos=6, pending=0)
            path.unlink()
            daemon.becomes(photos=5, pending=0)
            if select.select([watching.stdout], [], [], 0.5)[0]:
                break
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
        assert watching.wait(scaled(10)) == 130
    events = [json.loads(line) for line in rest.splitlines()]
    assert events
    assert {event["type"] for event in events} <= {"indexed", "removed"}


def test_without_a_daemon_the_client_says_how_to_start_it(daemon: Daemon) -> None:
    done = daemon.cli("--socket", "/nowhere/phsearch.sock", "a", "cat", check=False)
    assert done.returncode == 69
    assert "phsearchd install --now" in done.stderr


def test_a_query_in_chinese_exits_1_with_one_sentence(daemon: Daemon) -> None:
    done = daemon.cli("海滩日落", check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "English" in done.stderr
