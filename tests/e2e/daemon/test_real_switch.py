"""From the bundled model to one of the hub, by the real runtime, over a bad line and through kills, without a gap."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.errors import PhsearchError
from support.fake_hub import FakeHub, Faults, serving
from support.harness import NO_POWER_DAEMON, TESTS, Daemon, photo, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEIGHTS = ("laion/tiny", "open_clip_model.safetensors")
PHOTOS = int(os.environ.get("PHOTOS", "60"))
COLOURS = ("red", "green", "blue", "yellow", "white", "black")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    subprocess.run([sys.executable, TESTS / "support" / "tiny_model.py", tmp_path / "weights"], check=True)
    with serving({WEIGHTS: (tmp_path / "weights" / "open_clip_model.safetensors").read_bytes()}) as hub:
        yield hub


@pytest.fixture
def daemon(hub: FakeHub, tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon that is not started yet, with photos."""
    daemon = Daemon(tmp_path / "home", NO_POWER_DAEMON, '[model]\ndevice = "cpu"\n[watch]\nsettle_seconds = 0.1\n')
    daemon.env |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "huggingface"),
        "NO_PROXY": "127.0.0.1",
        "PYTHONUTF8": "1",  # a fork would not know the model's name
        "PYTHONPATH": os.pathsep.join([str(TESTS / "support" / "hub_model"), daemon.env["PYTHONPATH"]]),
    }
    for number in range(PHOTOS):
        photo(daemon.photos / f"{number:03}.jpg", COLOURS[number % len(COLOURS)])
    yield daemon
    daemon.stop()


def switch(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = daemon.status().get("switch") or {}
    return found


def goes_on(daemon: Daemon, done: int) -> None:
    wait_until(lambda: switch(daemon).get("done", PHOTOS) > done, "it goes on", 120)


def ask(daemon: Daemon, ends: threading.Event, asked: list[float], wrong: list[Any]) -> None:
    """Ask until `ends`; a daemon that was killed is asked again when it is back."""
    while not ends.is_set():
        begin = time.monotonic()
        try:
            hits = daemon.call("search", query=f"a colour {len(asked) % 7}", limit=PHOTOS)["hits"]
        except PhsearchError as error:
            wrong.append(error)
        else:
            asked.append(time.monotonic() - begin)
            if len(hits) != PHOTOS:
                wrong.append(hits)


@contextlib.contextmanager
def questions(daemon: Daemon, asked: list[float]) -> Iterator[None]:
    """Ask all the while. No answer may fail, or be empty."""
    ends, wrong = threading.Event(), list[Any]()
    thread = threading.Thread(target=ask, args=(daemon, ends, asked, wrong))
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
    assert wrong == []


def test_the_bundled_model_answers_until_the_other_is_complete_whatever_happens(daemon: Daemon, hub: FakeHub) -> None:
    asked: list[float] = []
    daemon.start()
    daemon.becomes(photos=PHOTOS, pending=0, seconds=120)
    hub.faults = Faults(cut_after=2_000_000, times=2)
    with questions(daemon, asked):
        daemon.call("model.use", name="tiny", pretrained="made_here")
        wait_until(lambda: switch(daemon)["state"] not in {"loading", "downloading"}, "it is downloaded", 120)
    kills = 0
    while switch(daemon).get("state") and kills < 3:
        daemon.kill()
        kills += 1
        daemon.start()
        with questions(daemon, asked):
            goes_on(daemon, switch(daemon).get("done", 0))
    with questions(daemon, asked):
        wait_until(lambda: daemon.status()["model"]["name"] == "tiny", "the new model answers", 120)
        daemon.becomes(photos=PHOTOS, pending=0)
        begin = time.monotonic()
        daemon.call("model.use", name="mini")
        wait_until(lambda: daemon.status()["model"]["name"] == "mini", "the former one is back", 60)
        assert time.monotonic() - begin < scaled(2)
    assert hub.sent <= len(hub.files[WEIGHTS]) + 100_000
    assert asked
    status = daemon.status()
    assert status["counters"]["embedded"] == 0
    assert daemon.call("library.verify", sample=10)["ok"]
    print(f"{len(asked):,} queries, {kills} kills")
