"""An index worker that a photo has taken over costs that photo, and neither the daemon nor any other photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.harness import daemon_program, photo, running
from support.workers.lying import LIES

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "[watch]\nsettle_seconds = 0.2\n"


def test_whatever_a_taken_over_worker_says_costs_only_the_photo_that_did_it(tmp_path: Path) -> None:
    for number in range(5):
        photo(tmp_path / "photos" / f"{number}.png", "red")
    for lie in LIES:
        photo(tmp_path / "photos" / f"lies-{lie}.png", "blue")
    with running(tmp_path, daemon_program("lied_to"), SETTINGS) as daemon:
        daemon.becomes(photos=5, pending=0, errors=len(LIES), seconds=90)
        assert sorted(daemon.found("red", limit=100))[:5] == [f"{number}.png" for number in range(5)]
        reasons = daemon.errors()
        assert reasons.keys() == {f"lies-{lie}.png" for lie in LIES}
        assert all("no longer made sense" in reason or "did not survive" in reason for reason in reasons.values())
        photo(daemon.photos / "later.png", "green")
        daemon.becomes(photos=6, pending=0)
        assert "Traceback" not in daemon.log.read_text()
