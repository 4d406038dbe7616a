"""A model of the hub: downloaded once by a process of its own, seen in status, and never asked for again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.fake_hub import FakeHub, Faults, serving
from support.harness import NO_POWER_DAEMON, TESTS, Daemon, photo, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEIGHTS = ("laion/tiny", "open_clip_model.safetensors")
SETTINGS = '[model]\nname = "tiny"\npretrained = "made_here"\ndevice = "cpu"\n[watch]\nsettle_seconds = 0.2\n'


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make the weights of a tiny model."""
    folder = tmp_path_factory.mktemp("weights")
    subprocess.run([sys.executable, TESTS / "support" / "tiny_model.py", folder], check=True)
    return (folder / "open_clip_model.safetensors").read_bytes()


@pytest.fixture
def hub(weights: bytes) -> Iterator[FakeHub]:
    with serving({WEIGHTS: weights}) as hub:
        yield hub


@pytest.fixture
def daemon(hub: FakeHub, tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon that is not started yet, with one photo."""
    daemon = Daemon(tmp_path / "home", NO_POWER_DAEMON, SETTINGS)
    daemon.env |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "huggingface"),
        "NO_PROXY": "127.0.0.1",
        "PYTHONUTF8": "1",  # a fork would not know the model's name
        "PYTHONPATH": os.pathsep.join([str(TESTS / "support" / "hub_model"), daemon.env["PYTHONPATH"]]),
    }
    photo(daemon.photos / "red.jpg", "red")
    yield daemon
    daemon.stop()


def test_a_model_is_downloaded_once_and_the_next_start_asks_the_hub_nothing(daemon: Daemon, hub: FakeHub) -> None:
    daemon.start()
    daemon.becomes(photos=1, pending=0, seconds=120)
    assert len(daemon.found("anything")) == 1
    assert hub.sent == len(hub.files[WEIGHTS])
    daemon.stop()
    hub.requests.clear()
    daemon.start()
    photo(daemon.photos / "blue.jpg", "blue")
    daemon.becomes(photos=2, pending=0, seconds=120)
    assert hub.requests == []


def test_a_slow_download_is_shown_while_it_runs(daemon: Daemon, hub: FakeHub) -> None:
    hub.faults = Faults(bytes_a_second=400_000)
    daemon.start()
    shown = wait_until(lambda: daemon.status()["model"].get("download"), "the download is shown", 60)
    assert 0 <= shown["done"] <= shown["total"] == len(hub.files[WEIGHTS])
    said = daemon.cli("status").stdout
    assert ": loading; downloading " in said
    assert "1 pending, downloading the model" in said
    hub.faults = Faults()
    daemon.becomes(photos=1, pending=0, seconds=120)
    assert "download" not in daemon.status()["model"]


def test_a_daemon_that_is_killed_in_a_download_goes_on_where_it_was(daemon: Daemon, hub: FakeHub) -> None:
    hub.faults = Faults(silent_after=1_000_000, bytes_a_second=500_000)
    daemon.start()
    wait_until(lambda: (daemon.status()["model"].get("download") or {}).get("done", 0) >= 500_000, "some is there", 60)
    daemon.kill()
    hub.faults = Faults()
    hub.requests.clear()
    daemon.start()
    daemon.becomes(photos=1, pending=0, seconds=120)
    # What was under way to the daemon that was killed is sent again, and no more.
    (asked,) = (each for each in hub.requests if each.startswith("GET ") and WEIGHTS[1] in each)
    assert int(asked.rpartition("bytes=")[2].rstrip("-")) >= 500_000


def test_a_change_of_the_model_that_is_cancelled_ends_its_download(daemon: Daemon, hub: FakeHub) -> None:
    settings = daemon.home / "config" / "phsearch" / "config.toml"
    settings.write_text('[model]\ndevice = "cpu"\n[watch]\nsettle_seconds = 0.2\n')
    hub.faults = Faults(bytes_a_second=300_000)
    daemon.start()
    daemon.becomes(photos=1, pending=0, seconds=120)
    before = set(daemon.workers())
    daemon.cli("model", "use", "tiny", "made_here")
    shown = wait_until(lambda: (daemon.status()["switch"] or {}).get("download"), "the download is shown", 60)
    assert shown["total"] == len(hub.files[WEIGHTS])
    assert "tiny/made_here: downloading" in daemon.cli("model").stdout
    assert len(daemon.found("anything")) == 1
    daemon.cli("model", "cancel")
    wait_until(lambda: set(daemon.workers()) <= before, "no other process is left")
    assert len(daemon.found("anything else")) == 1


def test_weights_that_rot_in_the_cache_are_fetched_again_by_themselves(
    daemon: Daemon, hub: FakeHub, tmp_path: Path
) -> None:
    daemon.start()
    daemon.becomes(photos=1, pending=0, seconds=120)
    daemon.stop()
    (file,) = (tmp_path / "huggingface").rglob("open_clip_model.safetensors")
    file.resolve().write_bytes(b"rotten")
    daemon.start()
    photo(daemon.photos / "blue.jpg", "blue")
    daemon.becomes(photos=2, pending=0, seconds=120)
    assert hub.sent == 2 * len(hub.files[WEIGHTS])


def test_a_hub_that_has_only_a_pickle_or_cannot_be_reached_is_one_sentence(daemon: Daemon, hub: FakeHub) -> None:
    del hub.files[WEIGHTS]
    hub.files["laion/tiny", "open_clip_pytorch_model.bin"] = b"a pickle"
    daemon.start()
    reason = wait_until(lambda: daemon.status()["model"]["reason"], "the reason is in status", 60)
    assert "are to be had as a pickle only" in reason
    hub.faults = Faults(status=503)
    reason = wait_until(
        lambda: "503" in (daemon.status()["model"]["reason"] or ""), "another reason is in its place", 60
    )
    assert "Traceback" not in daemon.log.read_text()


def test_a_folder_whose_text_tower_is_described_on_the_hub_asks_once_for_the_description(
    hub: FakeHub, tmp_path: Path
) -> None:
    folder = tmp_path / "roberta"
    subprocess.run([sys.executable, TESTS / "support" / "roberta_model.py", folder], check=True)
    description = (folder / "config.json").read_bytes()
    (folder / "config.json").unlink()
    hub.files["tiny/roberta", "config.json"] = description
    daemon = Daemon(tmp_path / "home", NO_POWER_DAEMON, SETTINGS.replace('"tiny"', f'"local-dir:{folder}"'))
    daemon.env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "huggingface"), "NO_PROXY": "127.0.0.1"}
    photo(daemon.photos / "red.jpg", "red")
    try:
        daemon.start()
        daemon.becomes(photos=1, pending=0, seconds=120)
        assert len(daemon.found("anything")) == 1
        daemon.stop()
        hub.requests.clear()
        daemon.start()
        assert len(daemon.found("anything else")) == 1
        assert hub.requests == []
    finally:
        daemon.stop()
