"""The life of a library: photos come, change, move and go, and the index follows. The model is a colour."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from support.harness import Daemon, photo, running, wait_until
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path, settings=QUICK) as daemon:
        yield daemon


def test_a_photo_that_appears_is_found_by_what_it_shows(daemon: Daemon) -> None:
    photo(daemon.photos / "tomato.jpg", "red")
    photo(daemon.photos / "2023" / "lawn.png", "green")
    photo(daemon.photos / "a" / "b" / "c" / "sky.webp", "blue")
    daemon.becomes(photos=3, pending=0)
    assert daemon.found("red")[0] == "tomato.jpg"
    assert daemon.found("green")[0] == "2023/lawn.png"
    assert daemon.found("blue")[0] == "a/b/c/sky.webp"


def test_a_hit_tells_where_the_photo_is_and_what_it_is(daemon: Daemon) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2023:06:01 12:30:05"
    photo(daemon.photos / "tomato.jpg", "red", (64, 48), exif=exif)
    daemon.becomes(photos=1)
    (hit,) = daemon.call("search", query="red")["hits"]
    assert hit["path"] == str(daemon.photos / "tomato.jpg")
    assert hit["root"] == str(daemon.photos)
    assert (hit["width"], hit["height"], hit["format"]) == (64, 48, "JPEG")
    assert hit["taken_at"] == "2023-06-01T12:30:05"
    assert 0.9 < hit["score"] <= 1


def test_a_rewritten_photo_is_found_by_its_new_content_only(daemon: Daemon) -> None:
    path = photo(daemon.photos / "x.png", "red")
    photo(daemon.photos / "other.png", "blue")
    daemon.becomes(photos=2, embedded=2)
    photo(path, "green")
    daemon.becomes(embedded=3, pending=0)
    assert daemon.found("green")[0] == "x.png"
    assert daemon.status()["photos"] == 2


def test_an_atomic_save_is_one_photo_and_leaves_no_trace_of_the_temporary_file(daemon: Daemon) -> None:
    temporary = photo(daemon.photos / "x.png.part.png", "red")
    temporary.rename(daemon.photos / "x.png")
    daemon.becomes(photos=1, pending=0)
    temporary = photo(daemon.photos / ".x.png.swp.png", "green")
    temporary.rename(daemon.photos / "x.png")
    daemon.becomes(embedded=2, pending=0)
    assert daemon.found("green") == ["x.png"]


def test_a_deleted_photo_is_no_longer_found(daemon: Daemon) -> None:
    path = photo(daemon.photos / "x.png", "red")
    photo(daemon.photos / "y.png", "green")
    daemon.becomes(photos=2)
    path.unlink()
    daemon.becomes(photos=1, removed=1, pending=0)
    assert daemon.found("red") == ["y.png"]


def test_a_renamed_photo_is_found_under_its_new_name_without_being_embedded_again(daemon: Daemon) -> None:
    path = photo(daemon.photos / "x.png", "red")
    daemon.becomes(photos=1)
    (daemon.photos / "new").mkdir()
    path.rename(daemon.photos / "new" / "y.png")
    wait_until(lambda: daemon.found("red") == ["new/y.png"], "the photo has its new name")
    assert daemon.settled()["counters"]["embedded"] == 1


def test_a_renamed_folder_takes_its_photos_along_without_embedding_them_again(daemon: Daemon) -> None:
    for number in range(20):
        photo(daemon.photos / "old" / "deep" / f"{number}.png", (number * 10, 0, 0))
    daemon.becomes(photos=20)
    (daemon.photos / "old").rename(daemon.photos / "new")
    expected = sorted(f"new/deep/{number}.png" for number in range(20))
    wait_until(lambda: sorted(daemon.found("red")) == expected, "all have their new names")
    status = daemon.settled()
    assert (status["photos"], status["counters"]["embedded"]) == (20, 20)


def test_a_folder_moved_in_is_indexed_and_a_folder_moved_out_is_forgotten(daemon: Daemon) -> None:
    for number in range(5):
        photo(daemon.home / "outside" / "inner" / f"{number}.png", (0, number * 10, 0))
    (daemon.home / "outside").rename(daemon.photos / "inside")
    daemon.becomes(photos=5, pending=0)
    (daemon.photos / "inside").rename(daemon.home / "outside")
    daemon.becomes(photos=0, pending=0)


def test_a_copy_shares_the_vector_of_its_original(daemon: Daemon) -> None:
    path = photo(daemon.photos / "x.png", "red")
    daemon.becomes(photos=1)
    shutil.copy(path, daemon.photos / "copy.png")
    os.link(path, daemon.photos / "link.png")
    status = daemon.becomes(photos=3, reused=2)
    assert status["counters"]["embedded"] == 1


def test_a_deleted_photo_that_is_restored_from_a_backup_later_costs_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK).start()
    for number in range(10):
        photo(daemon.photos / "2019" / f"{number}.png", (200, number, 0))
    daemon.becomes(photos=10, pending=0)
    shutil.copytree(daemon.photos / "2019", tmp_path / "backup")
    shutil.rmtree(daemon.photos / "2019")
    daemon.becomes(photos=0, pending=0)
    daemon.stop()
    daemon.start()
    shutil.copytree(tmp_path / "backup", daemon.photos / "restored")
    status = daemon.becomes(photos=10, pending=0)
    assert (status["counters"]["embedded"], status["counters"]["reused"]) == (0, 10)
    assert daemon.call("library.verify", sample=10)["ok"]
    daemon.stop()


def test_a_photo_that_is_only_touched_or_made_readable_is_looked_at_at_once(daemon: Daemon) -> None:
    path = photo(daemon.photos / "x.png", "red")
    daemon.becomes(photos=1, pending=0)
    os.utime(path, (1, 1))
    wait_until(lambda: daemon.call("library.why", path=str(path))["verdict"] == "indexed", "its time is known")
    daemon.call("search", query="red", sync=10)
    assert daemon.call("library.verify", sample=1)["ok"]
    assert daemon.status()["counters"]["embedded"] == 1


def test_rescan_of_a_path_looks_at_that_file_or_folder(daemon: Daemon) -> None:
    for name in ("a/x.png", "b/y.png"):
        photo(daemon.photos / name, "red")
    daemon.becomes(photos=2, pending=0)
    for path in (daemon.photos / "a" / "x.png", daemon.photos / "b", daemon.photos / "gone"):
        assert daemon.cli("rescan", str(path)).returncode == 0
    status = daemon.settled()
    assert (status["photos"], status["roots"][0]["state"]) == (2, "watching")


def test_what_changed_while_the_daemon_was_down_is_right_after_its_next_start(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK).start()
    for name, colour in (("kept", "red"), ("gone", "green"), ("changed", "blue"), ("moved", "white")):
        photo(daemon.photos / f"{name}.png", colour)
    daemon.becomes(photos=4, pending=0)
    assert daemon.stop() == 0
    (daemon.photos / "gone.png").unlink()
    photo(daemon.photos / "changed.png", "yellow")
    (daemon.photos / "moved.png").rename(daemon.photos / "there.png")
    photo(daemon.photos / "new.png", "black")
    daemon.start()
    daemon.becomes(photos=4, pending=0, scanning=False)
    counters = daemon.status()["counters"]
    assert daemon.found("yellow")[0] == "changed.png"
    assert daemon.found("white")[0] == "there.png"
    assert daemon.found("black")[0] == "new.png"
    assert counters["embedded"] == 2, "only the changed and the new one were embedded"
    daemon.stop()


def test_an_unchanged_library_costs_nothing_at_the_next_start(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK).start()
    for number in range(30):
        photo(daemon.photos / f"{number}.png", (number, 0, 0))
    daemon.becomes(photos=30, pending=0)
    daemon.stop()
    daemon.start()
    status = daemon.settled()
    assert status["photos"] == 30
    assert status["counters"] == {"embedded": 0, "reused": 0, "removed": 0, "failed": 0}
    daemon.stop()


def test_photos_survive_kill_minus_nine_once_nothing_is_pending(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK).start()
    for number in range(30):
        photo(daemon.photos / f"{number}.png", (number, 0, 0))
    daemon.becomes(photos=30, pending=0)
    workers = daemon.workers()
    daemon.kill()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the workers are gone, too")
    daemon.start()
    assert daemon.settled()["counters"]["embedded"] == 0
    assert len(daemon.found("red", limit=100)) == 30
    daemon.stop()


def test_several_and_nested_roots_count_each_photo_once(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    inner, other = daemon.photos / "inner", tmp_path / "other"
    photo(daemon.photos / "a.png", "red")
    photo(inner / "b.png", "green")
    photo(other / "c.png", "blue")
    daemon.start(roots=(daemon.photos, inner, other))
    status = daemon.becomes(photos=3, pending=0)
    assert {root["path"]: root["photos"] for root in status["roots"]} == {
        str(daemon.photos): 1,
        str(inner): 1,
        str(other): 1,
    }
    photo(inner / "later.png", "yellow")
    assert daemon.becomes(photos=4, pending=0)["counters"]["embedded"] == 4
    daemon.stop()


def test_hidden_ignored_small_and_linked_files_are_left_out(tmp_path: Path) -> None:
    settings = QUICK + 'min_bytes = 80\nignore = ["skip/", "*_thumb.*"]\n'
    photo(tmp_path / "elsewhere" / "outside.png", "red")
    with running(tmp_path, settings=settings) as daemon:
        (daemon.photos / "link.png").symlink_to(tmp_path / "elsewhere" / "outside.png")
        (daemon.photos / "linked").symlink_to(tmp_path / "elsewhere")
        photo(daemon.photos / ".hidden.png", "red")
        photo(daemon.photos / ".cache" / "x.png", "red")
        photo(daemon.photos / "skip" / "x.png", "red")
        photo(daemon.photos / "x_thumb.png", "red")
        (daemon.photos / "tiny.bmp").write_bytes(b"BM")
        (daemon.photos / "notes.txt").write_text("no photo")
        photo(daemon.photos / "seen.png", "red")
        daemon.becomes(photos=1, pending=0)
        daemon.call("library.rescan")
        assert daemon.settled()["photos"] == 1
        assert daemon.found("red") == ["seen.png"]
        assert daemon.errors() == {}


def test_a_root_that_is_not_there_is_offline_and_comes_by_itself(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK)
    root = tmp_path / "later"
    daemon.start(roots=(root,))
    assert daemon.becomes(scanning=False)["roots"][0]["state"] == "offline"
    photo(root / "x.png", "red")
    daemon.becomes(photos=1, pending=0)
    daemon.stop()


def test_a_root_that_vanishes_keeps_its_photos_and_they_cost_nothing_when_it_is_back(daemon: Daemon) -> None:
    for number in range(5):
        photo(daemon.photos / f"{number}.png", (number, 0, 0))
    daemon.becomes(photos=5, pending=0)
    away = daemon.home / "unplugged"
    daemon.photos.rename(away)
    wait_until(lambda: daemon.status()["roots"][0]["state"] == "offline", "the root is offline")
    assert len(daemon.found("red")) == 5
    assert any("offline" in line for line in daemon.log.read_text().splitlines())
    away.rename(daemon.photos)
    wait_until(lambda: daemon.status()["roots"][0]["state"] == "watching", "the root is back")
    status = daemon.settled()
    assert status["photos"] == 5
    assert status["counters"] == {"embedded": 5, "reused": 0, "removed": 0, "failed": 0}
    photo(daemon.photos / "new.png", "blue")
    daemon.becomes(photos=6)


def test_bad_files_are_listed_with_their_reasons_and_stop_nothing(daemon: Daemon) -> None:
    (daemon.photos / "empty.jpg").touch()
    (daemon.photos / "text.jpg").write_text("this is no picture at all")
    os.mkfifo(daemon.photos / "pipe.jpg")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(daemon.photos / "socket.jpg"))
    whole = photo(daemon.home / "whole.jpg", "red", (640, 480)).read_bytes()
    (daemon.photos / "half.jpg").write_bytes(whole[: len(whole) // 2])
    photo(daemon.photos / "good.png", "green")
    daemon.becomes(photos=1, errors=5, pending=0)
    reasons = daemon.errors()
    assert "0 bytes" in reasons["empty.jpg"]
    assert "FIFO" in reasons["pipe.jpg"]
    assert "socket" in reasons["socket.jpg"]
    assert "truncated" in reasons["half.jpg"]
    assert "text.jpg" in reasons
    assert not any("Traceback" in line or "0x" in line for line in [*reasons.values(), daemon.log.read_text()])
    server.close()


def test_a_failed_photo_is_not_tried_again_until_it_changes_and_is_then_findable(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, settings=QUICK).start()
    (daemon.photos / "x.jpg").write_text("not yet a picture")
    daemon.becomes(errors=1, pending=0)
    daemon.stop()
    daemon.start()
    status = daemon.settled()
    assert (status["errors"], status["counters"]["failed"]) == (1, 0)
    photo(daemon.photos / "x.jpg", "red")
    daemon.becomes(errors=0, photos=1, pending=0)
    assert daemon.found("red") == ["x.jpg"]
    daemon.stop()


def test_a_photo_written_slowly_is_indexed_once_and_whole(daemon: Daemon) -> None:
    whole = photo(daemon.home / "whole.png", "green", (400, 300)).read_bytes()
    with (daemon.photos / "slow.png").open("wb") as file:
        for start in range(0, len(whole), len(whole) // 5):
            file.write(whole[start : start + len(whole) // 5])
            file.flush()
            wait_until(lambda: daemon.status()["pending"] > 0, "the growing file is seen")
    daemon.becomes(photos=1, pending=0)
    assert daemon.found("green") == ["slow.png"]


def test_a_truncated_photo_becomes_findable_when_the_rest_of_it_comes(daemon: Daemon) -> None:
    whole = photo(daemon.home / "whole.jpg", "green", (640, 480), quality=100).read_bytes()
    slow = daemon.photos / "slow.jpg"
    slow.write_bytes(whole[: len(whole) // 2])
    daemon.becomes(errors=1, pending=0)
    assert "truncated" in daemon.errors()["slow.jpg"]
    with slow.open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    daemon.becomes(photos=1, errors=0, pending=0)
    assert daemon.found("green") == ["slow.jpg"]


def test_a_truncated_photo_is_read_again_later_even_if_its_size_and_time_stay(daemon: Daemon) -> None:
    whole = photo(daemon.home / "whole.jpg", "green", (640, 480), quality=100).read_bytes()
    half = whole[: len(whole) // 2]
    slow = daemon.photos / "slow.jpg"
    # As a download that reserves its space first and fills it through a memory map.
    slow.write_bytes(half.ljust(len(whole), b"\0"))
    os.utime(slow, (1_600_000_000, 1_600_000_000))
    daemon.becomes(errors=1, pending=0)
    with slow.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:] = whole
    os.utime(slow, (1_600_000_000, 1_600_000_000))
    daemon.becomes(photos=1, errors=0, pending=0)
    assert daemon.found("green") == ["slow.jpg"]


def test_the_same_bad_bytes_under_another_name_fail_without_another_attempt(daemon: Daemon) -> None:
    photo(daemon.photos / "crashes.png", "red")
    daemon.becomes(errors=1, pending=0)
    reason = daemon.errors()["crashes.png"]
    (daemon.photos / "crashes.png").rename(daemon.photos / "harmless.png")
    wait_until(lambda: daemon.errors() == {"harmless.png": reason}, "the new name is listed")
    assert daemon.cli("errors", "--retry").returncode == 0
    daemon.becomes(photos=1, errors=0, pending=0)


def test_copies_that_come_together_are_embedded_once(daemon: Daemon) -> None:
    original = photo(daemon.home / "made" / "0.png", "red")
    for number in range(1, 40):
        shutil.copy(original, daemon.home / "made" / f"{number}.png")
    (daemon.home / "made").rename(daemon.photos / "made")
    status = daemon.becomes(photos=40, pending=0)
    assert (status["counters"]["embedded"], status["counters"]["reused"]) == (1, 39)


def test_one_photo_that_crashes_the_decoder_costs_no_other_photo(daemon: Daemon) -> None:
    for number in range(12):
        photo(daemon.photos / f"{number}.png", (0, 0, 100 + number))
    photo(daemon.photos / "crashes.png", "red")
    for number in range(12, 20):
        photo(daemon.photos / f"{number}.png", (0, 0, 100 + number))
    daemon.becomes(photos=20, errors=1, pending=0)
    assert daemon.errors() == {"crashes.png": "its decoder crashed (SIGSEGV)"}


def test_one_photo_that_hangs_the_decoder_is_given_up_after_its_time(tmp_path: Path) -> None:
    seconds = max(1, round(scaled(0.4)))
    with running(tmp_path, settings=QUICK + f"[index]\nphoto_seconds = {seconds}\n") as daemon:
        for number in range(4):
            photo(daemon.photos / f"{number}.png", (0, 0, 100 + number))
        photo(daemon.photos / "never-ends.png", "red")
        daemon.becomes(photos=4, errors=1, pending=0)
        assert daemon.errors() == {"never-ends.png": f"decoding took longer than {seconds} s"}


def test_workers_that_are_killed_are_replaced_and_nothing_is_lost(daemon: Daemon) -> None:
    for number in range(10):
        photo(daemon.photos / f"{number}.png", (number, 0, 0))
    daemon.becomes(photos=10)
    for pid in daemon.workers():
        os.kill(pid, signal.SIGKILL)
    for number in range(10, 20):
        photo(daemon.photos / f"{number}.png", (number, 0, 0))
    daemon.becomes(photos=20, errors=0, pending=0)
    assert len(daemon.found("red", limit=50)) == 20


def test_names_with_spaces_quotes_newlines_and_bytes_that_are_no_utf8_are_found(daemon: Daemon) -> None:
    names = [
        "it's.png",
        'a "quoted" one.png',
        "new\nline.png",
        "tab\there.png",
        "花.png",
        os.fsdecode(b"latin\xe9.png"),
    ]
    for number, name in enumerate(names):
        photo(daemon.photos / f"{number}.tmp.png", (200, number, 0)).rename(daemon.photos / name)
    daemon.becomes(photos=len(names), pending=0)
    assert sorted(daemon.found("red")) == sorted(names)
    daemon.stop()
    daemon.start()
    assert daemon.settled()["counters"]["embedded"] == 0
    assert sorted(daemon.found("red")) == sorted(names)
    paths = daemon.cli("--null", "red").stdout.split("\0")
    assert sorted(os.path.basename(path) for path in paths if path) == sorted(names)
