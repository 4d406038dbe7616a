"""A model that nobody calibrated: the first search over a hundred photos calibrates it, and a restart keeps that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.harness import Daemon, photo, wait_until

if TYPE_CHECKING:
    from pathlib import Path

PHOTOS = 110


def relevance(daemon: Daemon) -> dict[str, Any]:
    checks = daemon.call("doctor")["checks"]
    found: dict[str, Any] = next(check for check in checks if check["name"] == "relevance")
    return found


def bands(daemon: Daemon) -> set[str | None]:
    return {hit["band"] for hit in daemon.call("search", query="red", limit=5)["hits"]}


def test_the_first_search_calibrates_a_model_and_a_restart_keeps_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    for number in range(PHOTOS):
        photo(daemon.photos / f"{number:03}.jpg", (number * 2, 255 - number * 2, number * 37 % 256))
    daemon.start()
    try:
        daemon.becomes(60, photos=PHOTOS, pending=0, scanning=False)
        assert "not calibrated yet" in relevance(daemon)["text"]
        assert bands(daemon) == {None}
        wait_until(lambda: bands(daemon) != {None}, "hits have bands", 60)
        text = relevance(daemon)["text"]
        assert text.startswith(f"calibrated on {PHOTOS} of your photos and everyday words")
        daemon.stop()
        daemon.start()
        wait_until(lambda: daemon.call("search", query="red", limit=5)["hits"], "the model is ready", 60)
        assert relevance(daemon)["text"] == text
        assert None not in bands(daemon)
    finally:
        daemon.stop()
