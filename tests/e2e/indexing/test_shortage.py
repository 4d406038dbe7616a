"""What passes is no photo's fault: a machine without memory, a limit that is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.harness import photo, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.harness import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        yield daemon


def test_photos_wait_for_a_machine_without_memory_and_the_status_says_so(daemon: Daemon) -> None:
    short = daemon.photos / "machine-is-short"
    short.touch()
    for number in range(20):
        photo(daemon.photos / f"{number}.png", (number, 0, 0))
    wait_until(lambda: "no memory for a photo" in daemon.cli("status").stdout, "the status says why they wait")
    status = daemon.status()
    assert (status["photos"], status["pending"], status["errors"], status["eta"]) == (0, 20, 0, None)
    short.unlink()
    daemon.becomes(photos=20, pending=0, errors=0)
    assert daemon.status()["notices"] == []


def test_a_photo_that_was_too_large_is_tried_again_when_the_limit_is_raised(tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "large.png", "red", (1200, 1200))
    with (tmp_path / "photos" / "huge.tif").open("wb") as file:
        file.truncate(4 << 40)
    with running(tmp_path, settings="[index]\nmax_megapixels = 1\n") as daemon:
        daemon.becomes(errors=2, pending=0)
        assert "index.max_megapixels" in daemon.errors()["huge.tif"]
    with running(tmp_path, settings="[index]\nmax_megapixels = 2\n") as daemon:
        daemon.becomes(photos=1, errors=1, pending=0)
