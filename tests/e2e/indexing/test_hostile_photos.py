"""Collections of odd and malformed files through the real daemon: every one is findable or listed, none stops it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import time
import zlib
from pathlib import Path

import pytest

from phsearch.domain.formats import PHOTO_SUFFIXES
from support.harness import SHARED, Daemon, daemon_program, photo, running, wait_until
from support.time_limits import scaled

BAD_DECODER_DAEMON = daemon_program("bad_decoder")
"""The real worker, confined as it is; only its model is a colour."""
QUICK = "[watch]\nsettle_seconds = 0.2\n"
SECONDS = round(scaled(1.5))
"""For a photo: time enough to take too much memory."""


def bomb(path: Path, side: int = 30_000) -> Path:
    """Write a PNG of `side` x `side` pixels whose file is small."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_a_picture_of_nine_hundred_megapixels_is_refused_with_its_size(tmp_path: Path) -> None:
    with running(tmp_path, settings=QUICK) as daemon:
        bomb(daemon.photos / "bomb.png")
        photo(daemon.photos / "good.png", "green")
        daemon.becomes(photos=1, errors=1, pending=0)
        assert "30,000 x 30,000" in daemon.errors()["bomb.png"]


@pytest.mark.parametrize("program", ["colour", "bad_decoder"])
def test_three_photos_that_crash_hang_and_devour_take_nobody_with_them(tmp_path: Path, program: str) -> None:
    limits = f"[index]\nphoto_seconds = {SECONDS}\nworker_memory_mb = 768\ndecode_threads = 4\n"
    with running(tmp_path, daemon_program(program), QUICK + limits) as daemon:
        pid = daemon.pid
        colours = ("red", "green", "blue", "white")
        for number in range(40):
            photo(daemon.photos / f"{number:02} {colours[number % 4]}.png", colours[number % 4], (40 + number, 40))
            if number in (10, 11, 30):
                photo(daemon.photos / {10: "crashes.png", 11: "never-ends.png", 30: "devours.png"}[number], "black")
        status = daemon.becomes(photos=40, errors=3, pending=0, seconds=60)
        assert daemon.errors() == {
            "crashes.png": "its decoder crashed (SIGSEGV)",
            "never-ends.png": f"decoding took longer than {SECONDS:g} s",
            "devours.png": "it needs more than 768 MB of memory to decode",
        }
        assert status["counters"]["embedded"] == 40, "what was embedded before a crash is not embedded again"
        for colour in colours:
            assert {name.split()[-1] for name in daemon.found(colour, 10)} == {f"{colour}.png"}
        assert daemon.pid == pid


def index_worker(daemon: Daemon) -> int | None:
    """Return the process id of the index worker: the kernel would rather end it than the query worker."""
    for pid in daemon.workers():
        with contextlib.suppress(OSError):  # it may have ended by now
            if Path(f"/proc/{pid}/oom_score_adj").read_text() == "800\n":
                return pid
    return None


def test_a_photo_is_blamed_late_for_workers_that_are_killed_from_outside(tmp_path: Path) -> None:
    with running(tmp_path, settings=QUICK) as daemon:
        photo(daemon.photos / "never-ends.png", "red")
        killed: set[int] = set()
        running_since: dict[int, float] = {}

        def blamed_after_another() -> bool:
            pid = index_worker(daemon)
            if pid and pid not in killed and daemon.status()["model"]["image_worker"] == "running":
                since = running_since.setdefault(pid, time.monotonic())
                # Not before it has begun with the photo: that takes a moment.
                if time.monotonic() - since > scaled(0.1):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            return bool(daemon.errors())

        wait_until(blamed_after_another, "the photo is listed", seconds=60)
        assert "SIGKILL" in daemon.errors()["never-ends.png"]
        assert len(killed) >= 8


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collections of odd files are not on this machine")
@pytest.mark.parametrize("collection", ["formats", "malformed"])
def test_every_file_of_a_hostile_collection_is_findable_or_listed_with_its_reason(
    tmp_path: Path, collection: str
) -> None:
    with running(tmp_path, BAD_DECODER_DAEMON, QUICK) as daemon:
        for number in range(20):
            photo(daemon.photos / f"good{number}.png", (0, 150 + number, 0))
        shutil.copytree(SHARED / collection, daemon.photos / collection)
        status = daemon.settled(seconds=120)
        pid = daemon.pid
        expected = {
            path.name for path in (daemon.photos / collection).rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES
        }
        found = {os.path.basename(path) for path in daemon.found("red", limit=1000)}
        reasons = daemon.errors()
        assert {name for name in found if not name.startswith("good")} | reasons.keys() == expected
        assert status["photos"] + status["errors"] == len(expected) + 20
        assert all(reasons.values())
        assert not any("Traceback" in reason or "object at" in reason for reason in reasons.values())
        assert "Traceback" not in daemon.log.read_text(errors="replace")
        best = daemon.found("green", limit=20)
        assert sum(name.startswith("good") for name in best) >= 10, "good photos among them have the right vectors"
        assert daemon.pid == pid
