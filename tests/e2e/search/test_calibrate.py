"""`model calibrate DIR`: the relevance of the model that answers is fitted to photos with captions, by the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.harness import Daemon, photo

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
PHOTOS = 120


def captioned(folder: Path) -> Path:
    """Write photos in three colours, and what two people say about each."""
    lines = []
    for number in range(PHOTOS):
        name = list(COLOURS)[number % 3]
        shade = tuple(max(value - number, 0) for value in COLOURS[name])
        photo(folder / f"{number:03}.jpg", (shade[0], shade[1], shade[2]))
        lines += [f"{number:03}.jpg\t{name}\n", f"{number:03}.jpg\tsomething {name}\n"]
    (folder / "captions.tsv").write_text("".join(lines) + "no-such.jpg\ta dog\n")
    return folder


def test_photos_with_captions_calibrate_the_model_and_hits_have_a_relevance_at_once_and_after_a_restart(
    tmp_path: Path,
) -> None:
    folder = captioned(tmp_path / "captioned")
    daemon = Daemon(tmp_path)
    for name, colour in COLOURS.items():
        photo(daemon.photos / f"{name}.jpg", colour)
    daemon.start()
    try:
        daemon.becomes(60, photos=3, pending=0, scanning=False)
        assert {hit["band"] for hit in daemon.call("search", query="red")["hits"]} == {None}
        done = daemon.cli("model", "calibrate", str(folder))
        assert done.stdout.startswith(f"mini is calibrated on {PHOTOS} photos, 1 left out, by "), done
        assert not list((tmp_path / "captioned").glob("*.new"))
        for _ in "12":
            hits = daemon.call("search", query="red")["hits"]
            assert hits[0]["path"].endswith("red.jpg")
            assert hits[0]["band"] == "strong"
            checks = {check["name"]: check["text"] for check in daemon.call("doctor")["checks"]}
            assert checks["relevance"].startswith("calibrated on captioned photos")
            daemon.stop()
            daemon.start()
            daemon.becomes(60, photos=3, pending=0, scanning=False)
    finally:
        daemon.stop()


def test_a_folder_without_captions_is_refused_in_one_sentence(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    photo(daemon.photos / "a.jpg", COLOURS["red"])
    daemon.start()
    try:
        daemon.becomes(60, photos=1, pending=0, scanning=False)
        for folder, said in ((tmp_path / "none", "captions.tsv: no such file"), (daemon.photos, "captions.tsv")):
            refused = daemon.cli("model", "calibrate", str(folder), check=False)
            assert refused.returncode != 0
            assert said in refused.stderr
            assert "a tab, the caption" in refused.stderr
            assert "Traceback" not in refused.stderr
    finally:
        daemon.stop()
