"""The examples of the manual's topic on Python run as they are printed there, against a real daemon."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import phsearch
from phsearch.client import Client
from phsearch.errors import RemoteError
from phsearch.wire.methods import METHODS
from phsearch.wire.results.search import SearchResult
from support.harness import Daemon, photo, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = Path(phsearch.__file__).parent / "manual" / "python.md"
FIRST, ERRORS, EVENTS = re.findall(r"^```python\n(.*?)^```$", TOPIC.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("python"), settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        photo(daemon.photos / "red.png", "red")
        (daemon.photos / "bad.png").write_bytes(b"no picture")
        daemon.becomes(photos=1, pending=0, errors=1)
        yield daemon


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with Client(daemon.socket, 30) as client:
        yield client


def start(daemon: Daemon, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], env=daemon.env, stdout=subprocess.PIPE, text=True)


def printed_by(daemon: Daemon, code: str) -> str:
    with start(daemon, code) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


def test_the_first_example_finds_photos(daemon: Daemon) -> None:
    assert re.fullmatch(
        rf"[01]\.\d+ no date {daemon.photos}/red\.png\n1 photos, 0 pending, model ready\nwatching {daemon.photos}\n",
        printed_by(daemon, FIRST),
    )


def test_an_error_says_what_to_do(daemon: Daemon) -> None:
    assert printed_by(daemon, ERRORS) == (
        'BadQuery - "2023-13" has no such month - months go from 01 to 12, as in date:2023-06\n'
    )


def test_events_are_followed_while_the_client_goes_on(daemon: Daemon) -> None:
    with start(daemon, EVENTS) as process:
        numbers = itertools.count()

        def ended() -> bool:
            number = next(numbers)  # one after the other: it may not have subscribed before the first
            photo(daemon.photos / f"crimson{number}.png", (230, number % 256, number // 256))
            return process.poll() is not None

        wait_until(ended, "it has seen the photo")
        assert process.stdout is not None
        assert re.search(rf"^indexed {daemon.photos}/crimson\d+\.png$", process.stdout.read(), re.MULTILINE)


def test_every_method_answers_with_its_result(daemon: Daemon, client: Client) -> None:
    root, red = str(daemon.photos), daemon.photos / "red.png"
    assert client.search("red", limit=1, sync=20).synced
    assert client.why(red, "red").verdict == "indexed"
    assert client.status().roots[0].path == root
    assert client.doctor().checks
    assert "phsearch_up 1" in client.metrics().text
    assert client.rescan(daemon.photos).roots == (root,)
    assert client.errors().errors[0].path == f"{root}/bad.png"
    assert client.retry(daemon.photos / "bad.png").retried == 1
    assert client.verify(sample=1).ok
    assert client.confirm_deletions(root).missing == 0
    assert client.duplicates(root, kind="exact").total == 0
    assert client.thumbnail(red, width=32, height=32).format == "png"
    assert client.save_album("reds", "red", limit=5) == client.albums()[0]
    client.remove_album("reds")
    assert client.albums() == ()
    assert client.reload(check=True).changed == ()
    assert client.pause(60).pace.state == "paused"
    assert client.resume().pace.state != "paused"
    assert len(client.discover().methods) == len(METHODS)
    with pytest.raises(RemoteError, match="is watched"):
        client.forget(root)


def test_a_relative_path_is_that_of_the_program(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(daemon.photos)
    assert client.why("red.png").findable
    assert client.search("like:red.png").hits[0].path == str(daemon.photos / "red.png")


def test_what_is_described_is_what_is_answered(client: Client) -> None:
    described = {method["name"]: method["result"]["schema"] for method in client.discover().methods}
    answer = client.call("search", query="red")
    assert answer.keys() <= described["search"]["properties"].keys()
    assert answer.keys() >= set(described["search"]["required"])
    assert answer["hits"][0].keys() == described["search"]["properties"]["hits"]["items"]["properties"].keys()
    assert SearchResult.parse_json(answer).json_members().keys() == answer.keys() - {"protocol"}
