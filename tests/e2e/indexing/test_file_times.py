"""A file with an absurd time is a photo like any other, and keeps no other from the index."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.harness import photo, running

if TYPE_CHECKING:
    from pathlib import Path

TIMES = {"in 2446": 15_032_385_535, "before 1970": -3_000_000_000, "in 1901": -(2**31)}


@pytest.mark.parametrize("time", TIMES)
def test_every_photo_is_found_whatever_the_time_of_one_file_also_after_a_restart(tmp_path: Path, time: str) -> None:
    with running(tmp_path) as daemon:
        for number in range(5):
            photo(daemon.photos / f"good{number}.png", (255, 10 * number, 0))
        odd = photo(daemon.photos / "odd.png", "red")
        os.utime(odd, (TIMES[time], TIMES[time]))
        daemon.becomes(photos=6, pending=0, errors=0)
        assert daemon.cli("status", "--wait").returncode == 0
        daemon.stop()
        daemon.start()
        status = daemon.becomes(photos=6, pending=0, errors=0)
        assert status["counters"]["embedded"] == 0, "nothing was lost, and the odd file counts as unchanged"
        assert "odd.png" in daemon.found("red", 6)
