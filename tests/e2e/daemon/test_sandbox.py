"""A decoder that was taken over can do nothing but give a wrong picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, daemon_program, photo, running
from support.machine.mounting import MountingDaemon, needs_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = "[watch]\nsettle_seconds = 0.2\n"
BAD_DECODER_DAEMON = daemon_program("bad_decoder")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id").write_text("secret")
    with running(tmp_path, BAD_DECODER_DAEMON, QUICK) as daemon:
        photo(daemon.photos / "good.png", "green")
        daemon.becomes(photos=1, pending=0)
        yield daemon


def test_a_decoder_cannot_reach_the_network_run_programs_write_files_or_read_keys(daemon: Daemon) -> None:
    sandbox = daemon.status()["model"]["confinement"]
    if "seccomp" not in sandbox or "landlock" not in sandbox:
        pytest.skip(f"this kernel confines by {sandbox} only")
    before = sorted(os.listdir(daemon.photos))
    path = photo(daemon.photos / "pries.png", "red")
    content = path.read_bytes()
    daemon.becomes(photos=1, errors=1, pending=0)
    assert daemon.errors()["pries.png"] == "got away with: nothing"
    assert sorted(os.listdir(daemon.photos)) == sorted([*before, "pries.png"])
    assert path.read_bytes() == content
    photo(daemon.photos / "later.png", "blue")
    daemon.becomes(photos=2, pending=0)
    assert daemon.found("blue", 1) == ["later.png"]


def test_the_sandbox_in_the_status_is_that_of_the_worker_processes(daemon: Daemon) -> None:
    said = daemon.status()["model"]["confinement"]
    assert said.startswith("limits")
    assert f"confined  by {said}" in daemon.cli("status").stdout
    for pid in daemon.workers():
        facts = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        if "seccomp" in said:
            assert (facts["Seccomp"], facts["NoNewPrivs"]) == ("2", "1")
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]


@needs_mounts
def test_a_disk_mounted_over_a_root_later_is_read_by_a_new_worker_and_no_photo_is_blamed(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    daemon = MountingDaemon(tmp_path, BAD_DECODER_DAEMON, QUICK)
    daemon.start(roots=(daemon.photos, stick))
    try:
        photo(daemon.photos / "near.png", "green")
        daemon.becomes(photos=1, pending=0)
        assert daemon.status()["model"]["image_worker"] == "running"
        daemon.plug("stick", stick)
        daemon.put(photo(tmp_path / "made" / "far.png", "red"), stick / "far.png")
        daemon.call("library.rescan")
        daemon.becomes(photos=2, errors=0, pending=0)
        if "landlock" in daemon.status()["model"]["confinement"]:
            assert "a disk was mounted since" in daemon.log.read_text()
    finally:
        daemon.close()
