"""`verify` and `errors --retry`: a verdict that finds what is wrong, and only that."""

from __future__ import annotations

import itertools
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import lancedb
import pyarrow as pa
import pytest

from support.harness import Daemon, photo, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"
COLOURS = ("red", "green", "blue", "yellow", "white", "black")


def fill(daemon: Daemon, count: int = 12) -> list[Path]:
    paths = [photo(daemon.photos / f"{number:02}.png", COLOURS[number % 6]) for number in range(count)]
    daemon.becomes(photos=count, pending=0)
    return paths


def verify(daemon: Daemon, *options: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Run the real client. Return its exit status, its answer, and the kind of mismatch by file name."""
    done = daemon.cli("verify", "--json", *options, check=False)
    found = json.loads(done.stdout)
    assert found["mismatched"] == len(found["mismatches"])
    return done.returncode, found, {os.path.basename(row["path"]): row["kind"] for row in found["mismatches"]}


def table(daemon: Daemon) -> Any:
    """Open the daemon's table while the daemon does not know."""
    (folder,) = daemon.state.glob("index/photos_mini_*")
    return lancedb.connect(daemon.state / "index").open_table(folder.stem)


def flip_a_bit(path: Path) -> None:
    """Change a byte, but neither size nor date."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def forget_changes(daemon: Daemon, path: Path) -> None:
    """Make the stopped daemon take a file as it is: a failing disk changes bytes without changing any time."""
    table(daemon).update(where=f"path = '{path}'", values={"ctime_ns": None})


def swap_two_vectors(daemon: Daemon, *names: str) -> None:
    rows = table(daemon).to_arrow()
    first, second = (row for row in rows.to_pylist() if row["path"].endswith(names))
    first["vector"], second["vector"] = second["vector"], first["vector"]
    changed = pa.Table.from_pylist([first, second], schema=rows.schema)
    table(daemon).merge_insert("path").when_matched_update_all().execute(changed)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path, settings=QUICK) as daemon:
        yield daemon


def test_a_healthy_library_is_right_and_its_verdict_says_what_was_compared(daemon: Daemon) -> None:
    fill(daemon)
    os.link(daemon.photos / "00.png", daemon.photos / "link.png")
    daemon.becomes(photos=13, pending=0)
    done = daemon.cli("verify")
    assert done.stdout.splitlines() == [
        "13 rows, 13 photos compared with the files",
        "13 photos read again, lowest cosine 1.0000",
        "the index is right",
    ]
    status, found, _ = verify(daemon, "--sample", "5")
    assert (status, found["sampled"], found["ok"]) == (0, 5, True)
    assert verify(daemon, "--sample", "all")[1]["sampled"] == 13
    before = daemon.status()["counters"]
    assert before["embedded"] == 12, "what is embedded for a check is not counted and not stored"


def test_everything_that_is_wrong_is_found_and_nothing_else(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK).start()
    paths = fill(daemon)
    daemon.stop()
    swap_two_vectors(daemon, "06.png", "07.png")
    flip_a_bit(paths[0])
    forget_changes(daemon, paths[0])
    daemon.start()
    daemon.settled()
    # From here on the daemon knows better than the disk; of the two vectors above only the model does.
    table(daemon).delete(f"path = '{paths[1]}'")
    swap_two_vectors(daemon, "02.png", "03.png")
    table(daemon).add(table(daemon).search().where(f"path = '{paths[4]}'").limit(1).to_arrow())
    status, found, kinds = verify(daemon)
    assert (status, found["ok"], found["mismatched"]) == (1, False, 7)
    assert kinds == {
        "00.png": "other bytes",
        "01.png": "not stored",
        "02.png": "other vector",
        "03.png": "other vector",
        "04.png": "stored twice",
        "06.png": "wrong vector",
        "07.png": "wrong vector",
    }
    assert found["lowest_cosine"] < 0.9
    shown = daemon.cli("verify", check=False)
    assert (shown.returncode, "7 mismatches" in shown.stdout, "your backup" in shown.stdout) == (1, True, True)
    paths[0].touch()  # as is said of bytes that changed and are as they should be
    wait_until(lambda: "00.png" not in verify(daemon)[2], "the file is read again")
    daemon.stop()


def test_files_that_are_rewritten_appear_and_go_during_verify_are_no_mismatches(daemon: Daemon) -> None:
    fill(daemon, 120)
    over = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if over.wait(0.005):
                return
            photo(daemon.photos / f"{number % 40:02}.png", (number % 256, number // 256, 99))
            photo(daemon.photos / f"new{number}.png", (number % 256, 7, number // 256))
            (daemon.photos / f"new{number - 60}.png").unlink(missing_ok=True)
            (daemon.photos / f"{40 + number % 40:02}.png").unlink(missing_ok=True)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(3):
            status, found, kinds = verify(daemon, "--sample", "all")
            assert (status, kinds) == (0, {})
            assert found["checked"] >= 40  # so many are never touched
    finally:
        over.set()
        writing.join()


def test_photos_of_a_root_that_is_offline_are_not_checked_and_no_mismatches(daemon: Daemon) -> None:
    fill(daemon)
    daemon.photos.rename(daemon.home / "unplugged")
    status, found, kinds = verify(daemon)
    assert (status, kinds, found["not_checked"]) == (0, {}, 12), "nobody may have noticed yet"
    wait_until(lambda: daemon.status()["roots"][0]["state"] == "offline", "the root is offline")
    shown = daemon.cli("verify").stdout.splitlines()
    assert shown[:2] == [
        "12 rows, 0 photos compared with the files",
        "12 photos not checked: offline, or not to be read now",
    ]


def test_a_photo_that_takes_the_decoder_down_now_is_a_mismatch_and_the_others_are_checked(tmp_path: Path) -> None:
    with running(tmp_path, settings=QUICK) as daemon:
        fill(daemon)
        # A duplicate costs no decoding: so this one gets in, and is decoded for the first time by verify.
        os.link(daemon.photos / "00.png", daemon.photos / "crashes.png")
        daemon.becomes(photos=13, pending=0)
        status, found, kinds = verify(daemon, "--sample", "all")
        assert (status, kinds, found["sampled"]) == (1, {"crashes.png": "unreadable"}, 13)
        assert daemon.status()["errors"] == 0, "a check changes nothing"


def test_failed_photos_are_tried_again_when_asked_for(daemon: Daemon) -> None:
    (daemon.photos / "album").mkdir()
    for name in ("a.jpg", "album/b.jpg", "album/c.jpg"):
        (daemon.photos / name).write_text("no picture")
    daemon.becomes(errors=3, pending=0)

    def attempts() -> dict[str, int]:
        return {os.path.basename(row["path"]): row["attempts"] for row in daemon.call("library.errors")["errors"]}

    assert daemon.cli("errors", "--retry").stdout == "trying 3 photos again\n"
    wait_until(lambda: attempts() == {"a.jpg": 2, "b.jpg": 2, "c.jpg": 2}, "each was tried twice")
    assert json.loads(daemon.cli("errors", "--json", "--retry", str(daemon.photos / "album")).stdout)["retried"] == 2
    wait_until(lambda: attempts() == {"a.jpg": 2, "b.jpg": 3, "c.jpg": 3}, "those in the folder were tried again")
    assert daemon.cli("errors", "--retry", str(daemon.photos / "a.jpg")).stdout == "trying 1 photo again\n"
    wait_until(lambda: attempts()["a.jpg"] == 3, "the one was tried again")
    assert daemon.cli("errors", "--retry", str(daemon.photos / "other.jpg")).stdout == "nothing to try again\n"
    outside = daemon.cli("errors", "--retry", "/nowhere", check=False)
    assert (outside.returncode, "lies in no watched folder" in outside.stderr) == (1, True)
