"""The query language in a real daemon, asked by the real client: filters, signs, photos, and mistakes."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from phsearch.errors import RemoteError
from support.harness import SHARED, Daemon, photo, run_client, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

DATE, MAKE, MODEL = 0x0132, 0x010F, 0x0110


def dated(path: Path, colour: str, date: str, camera: str = "", size: tuple[int, int] = (64, 48)) -> Path:
    exif = Image.Exif()
    exif[DATE] = date
    if camera:
        exif[MAKE], exif[MODEL] = camera.split(maxsplit=1)[0], camera
    return photo(path, colour, size, exif=exif)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("language")
    photos = home / "photos"
    dated(photos / "Holidays/2023/red.jpg", "red", "2023:06:15 10:00:00", "Google Pixel 8")
    dated(photos / "Holidays/2023/blue.jpg", "blue", "2023:06:15 18:00:00", "Canon EOS 6D", (48, 64))
    dated(photos / "Holidays/2024/green.jpg", "green", "2024:01:01 00:00:00", "Google Pixel 8")
    photo(photos / "undated.png", "yellow")
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=4, pending=0, scanning=False)
        yield daemon


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("date:2023", ["blue", "red"]),
        ("date:2023-06..2024", ["green", "blue", "red"]),
        ("-date:2023", ["green", "undated"]),
        ("date:none", ["undated"]),
        ("in:holidays/2023", ["blue", "red"]),
        ('camera:"Pixel 8"', ["green", "red"]),
        ("camera:pixel -in:2024", ["red"]),
        ("orientation:portrait", ["blue"]),
        ("type:png", ["undated"]),
        ("type:jpg size:<1MP after:2023", ["green"]),
        ("root:photos before:2024", ["blue", "red"]),
    ],
)
def test_filters_alone_list_by_date_the_newest_first(daemon: Daemon, query: str, names: list[str]) -> None:
    answer = daemon.call("search", query=query)
    assert [os.path.basename(hit["path"]).partition(".")[0] for hit in answer["hits"]] == names
    assert answer["matching"] == len(names)
    assert all(
        (hit["score"], hit["relevance"], hit["band"], hit["share"]) == (0, None, None, None) for hit in answer["hits"]
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("camera:goo", "plain,'camera:\"Google Pixel 8\"'"),
        ("dog -camera:PIX", "plain,'-camera:\"Pixel 8\"'"),
        ("in:Hol", "plain,in:Holidays"),
        ("in:Holidays/2", "plain,in:Holidays/2023\nplain,in:Holidays/2024"),
        ("root:ph", "plain,root:photos"),
    ],
)
def test_the_shell_completes_names_of_the_library(daemon: Daemon, line: str, said: str) -> None:
    asking = {"_PHSEARCH_CLIENT_COMPLETE": "bash_complete", "COMP_WORDS": f"phsearch-client {line}"}
    assert run_client(daemon.env | asking).stdout == f"{said}\n"


def test_a_filter_leaves_the_order_and_the_scores_of_what_passes(daemon: Daemon) -> None:
    everything = {hit["path"]: hit["score"] for hit in daemon.call("search", query="red")["hits"]}
    some = daemon.call("search", query="red in:2023", limit=1)
    assert [(hit["path"], hit["score"]) for hit in some["hits"]] == [
        (path, score) for path, score in everything.items() if "/2023/" in path
    ][:1]


def test_photos_of_a_negative_word_come_last(daemon: Daemon) -> None:
    assert daemon.found("-red")[-1] == "Holidays/2023/red.jpg"
    assert daemon.found("white -blue")[0] == "undated.png", "white without its blue is yellow"


def test_the_answer_shows_how_the_query_was_parsed(daemon: Daemon) -> None:
    understood = daemon.call("search", query="red^2 -blue date:2023 -camera:canon")["understood"]
    assert understood == {
        "aims": [{"text": "red", "weight": 2}, {"text": "blue", "weight": -1}],
        "filters": [
            {"key": "when", "value": "2023", "negated": False},
            {"key": "camera", "value": "canon", "negated": True},
        ],
    }


def test_like_a_photo_of_the_library_ranks_by_that_photo(daemon: Daemon) -> None:
    found = daemon.call("search", query=f"like:{daemon.photos}/undated.png")["hits"]
    assert found[0]["path"].endswith("undated.png")
    assert found[0]["score"] > 0.999
    assert daemon.call("search", query="like:undated.png", cwd=str(daemon.photos))["hits"] == found


def test_like_takes_a_photo_from_anywhere_and_mixes_with_words(daemon: Daemon, tmp_path: Path) -> None:
    outside = photo(tmp_path / "my blue one.png", "blue")
    assert daemon.found(f'like:"{outside}"', 1) == ["Holidays/2023/blue.jpg"]
    assert daemon.found(f'-like:"{outside}" +yellow', 1) == ["undated.png"]
    assert daemon.cli("--like", str(outside), "-n", "1").stdout.endswith("blue.jpg\n")
    outside.unlink()
    photo(outside, "red")
    assert daemon.found(f'like:"{outside}"', 1) == ["Holidays/2023/red.jpg"], "it is another photo now"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file, it may not be read, or it is not a photo"),
        (b"words", "there is no such file, it may not be read, or it is not a photo"),
        (b"", "there is no such file, it may not be read, or it is not a photo"),
        (b"\xff\xd8\xff\xe0half", "JPEG"),
    ],
)
def test_like_an_unusable_file_says_why(daemon: Daemon, tmp_path: Path, content: bytes | None, message: str) -> None:
    bad = tmp_path / "bad.jpg"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(RemoteError, match=message) as caught:
        daemon.call("search", query=f"like:{bad}")
    assert str(bad) in str(caught.value)
    assert caught.value.kind == "UnreadableImage"


def test_a_photo_that_crashes_its_worker_is_an_error_and_the_next_one_works(daemon: Daemon, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="did not survive it"):
        daemon.call("search", query=f"like:{photo(tmp_path / 'crashes.png', 'red')}")
    assert daemon.found(f"like:{photo(tmp_path / 'fine.png', 'red')}", 1) == ["Holidays/2023/red.jpg"]
    assert daemon.found("red", 1) == ["Holidays/2023/red.jpg"], "words were never in danger"


def test_a_path_with_a_nul_character_is_refused_as_no_photo(daemon: Daemon) -> None:
    with pytest.raises(RemoteError, match="it is not a photo") as caught:
        daemon.call("search", query='like:"/tmp/a\0b.jpg"')
    assert caught.value.kind == "UnreadableImage"


def test_a_raised_limit_counts_for_photos_outside_the_library_at_once(tmp_path: Path) -> None:
    large = photo(tmp_path / "large.png", "red", (1200, 1000))
    with running(tmp_path, settings="[index]\nmax_megapixels = 1\n") as daemon:
        daemon.becomes(pending=0, scanning=False)
        wait_until(lambda: daemon.status()["model"]["state"] == "ready", "the model is ready")
        with pytest.raises(RemoteError, match="over the limit of 1 megapixels"):
            daemon.call("search", query=f'like:"{large}"')
        settings = tmp_path / "config" / "phsearch" / "config.toml"
        settings.write_text("[index]\nmax_megapixels = 2\n")
        daemon.cli("reload")
        assert daemon.call("search", query=f'like:"{large}"')["hits"] == []


def test_a_fifo_and_a_folder_are_no_photos(daemon: Daemon, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    for path in (tmp_path / "fifo.jpg", tmp_path):
        with pytest.raises(RemoteError, match="it is not a photo"):
            daemon.call("search", query=f"like:{path}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("date:2023-13",), "months go from 01 to 12"),
        (("camera:pixle",), 'did you mean camera:"Google Pixel 8"?'),
        (("in:Holidys",), "did you mean in:Holidays?"),
        (("like:nowhere.jpg",), "no such file"),
        (('"beach',), "quote"),
        (("--min", "much", "red"), "none of strong, likely, weak"),
        (("--format", "{pth}", "red"), 'did you mean "{path}"?'),
        (("--exec", "echo", "red"), "--exec goes with --follow"),
        (("--json", "--grid", "red"), "exclude each other"),
        (("--thumbnails=crayon", "red"), "none of auto, kitty, iterm2, sixel, none"),
    ],
)
def test_every_mistake_gets_a_sentence_and_no_traceback(daemon: Daemon, words: tuple[str, ...], message: str) -> None:
    done = daemon.cli(*words, check=False)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_shell_may_remove_the_quotes(daemon: Daemon) -> None:
    def names(*words: str) -> list[str]:
        return [os.path.basename(json.loads(line)["path"]) for line in daemon.cli("--json", *words).stdout.splitlines()]

    assert names("camera:Pixel 8", "-in:2024") == ["red.jpg"]
    assert names("-red", "date:2023") == ["blue.jpg", "red.jpg"]
    assert names("--camera", "Pixel 8", "--after", "2023") == ["green.jpg"]
    assert names("--under", str(daemon.photos / "Holidays" / "2023"), "red") == ["red.jpg", "blue.jpg"]
    assert names("-n1", "red") == ["red.jpg"]


def test_a_format_is_printed_as_written(daemon: Daemon) -> None:
    shown = daemon.cli("--format", r"{name}\t{width}x{height} {camera}{{}}", "date:2023").stdout
    assert shown == "blue.jpg\t48x64 Canon EOS 6D{}\nred.jpg\t64x48 Google Pixel 8{}\n"


def test_why_considers_filters(daemon: Daemon) -> None:
    red = str(daemon.photos / "Holidays/2023/red.jpg")
    match = daemon.call("library.why", path=red, query="red date:2024")["match"]
    assert match["passes"] is False
    assert "a filter" in match["text"]
    match = daemon.call("library.why", path=red, query="red date:2023")["match"]
    assert (match["passes"], match["rank"], match["photos"]) == (True, 1, 2)


def test_only_photos_indexed_since_then_are_found(daemon: Daemon) -> None:
    hits = daemon.call("search", query="red")["hits"]
    last = max(hit["indexed_at"] for hit in hits)
    assert daemon.call("search", query="red", indexed_after=last)["hits"] == []
    assert len(daemon.call("search", query="red", indexed_after=last - 1000)["hits"]) == 4


# --- moments and duplicates ---------------------------------------------------------------------------------------


def test_bursts_and_copies_are_one_hit_and_dupes_lists_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    photos = home / "photos"
    for number in range(4):
        dated(photos / f"shot{number}.jpg", "red", f"2024:01:01 10:00:0{number}", "Google Pixel 8")
    dated(photos / "other.jpg", "red", "2024:05:01 10:00:00", "Google Pixel 8")
    shutil.copyfile(photos / "other.jpg", photos / "copy.jpg")
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=6, pending=0, scanning=False)
        hits = daemon.call("search", query="red", collapse=True)["hits"]
        assert sorted(hit["more"] for hit in hits) == [1, 3]
        assert len(daemon.call("search", query="red")["hits"]) == 6
        assert daemon.cli("red").stdout.count("\n") == 2
        assert daemon.cli("--expand", "red").stdout.count("\n") == 6
        groups = daemon.call("library.dupes")["groups"]
        assert sorted((group["kind"], len(group["photos"])) for group in groups) == [("exact", 2), ("near", 4)]
        assert daemon.call("library.dupes", kind="exact")["total"] == 1
        with pytest.raises(RemoteError, match="/elsewhere lies in no watched folder"):
            daemon.call("library.dupes", path="/elsewhere")
        assert daemon.call("library.dupes", path=str(photos / "copy.jpg"))["total"] == 1
        assert daemon.call("library.dupes", path=str(home))["total"] == 2
        lines = daemon.cli("dupes").stdout.splitlines()
        assert len(lines) == 6
        assert {line.split("\t")[1] for line in lines} == {"exact", "near"}
        spare = daemon.cli("dupes", "--exact", "-0").stdout
        assert spare.count("\0") == 1
        assert len(list(photos.iterdir())) == 6, "nothing is ever deleted"


def test_copies_are_found_beside_an_edit_and_only_they_count_as_exact(tmp_path: Path) -> None:
    home = tmp_path / "home"
    photos = home / "photos"
    first = photo(photos / "IMG_1.jpg", "red", (64, 48))
    shutil.copyfile(first, photos / "IMG_1 copy.jpg")
    photo(photos / "IMG_1-edited.jpg", "red", (32, 24))
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=3, pending=0, scanning=False)
        (near,) = daemon.call("library.dupes")["groups"]
        assert (near["kind"], near["more"]) == ("near", 0)
        names = [(Path(each["path"]).name, each["copy"]) for each in near["photos"]]
        assert names == [("IMG_1.jpg", False), ("IMG_1 copy.jpg", True), ("IMG_1-edited.jpg", False)]
        (exact,) = daemon.call("library.dupes", kind="exact")["groups"]
        assert [Path(each["path"]).name for each in exact["photos"]] == ["IMG_1.jpg", "IMG_1 copy.jpg"]
        assert daemon.cli("dupes", "--exact", "-0").stdout == f"{photos}/IMG_1 copy.jpg\0"
        (photos / "IMG_1 copy.jpg").unlink()
        daemon.becomes(photos=2, pending=0, scanning=False)
        assert daemon.call("library.dupes", kind="exact")["total"] == 0, "the library is another, and so is the answer"


# --- pictures -----------------------------------------------------------------------------------------------------


def test_a_thumbnail_is_upright_and_fits(daemon: Daemon) -> None:
    path = str(daemon.photos / "Holidays/2023/blue.jpg")
    for form in ("png", "jpeg"):
        made = daemon.call("library.thumbnail", path=path, width=32, height=32, format=form)
        image = Image.open(io.BytesIO(base64.b64decode(made["data"])))
        assert (image.size, made["width"], made["height"]) == ((24, 32), 24, 32)
        red, green, blue = image.convert("RGB").getpixel((12, 16))  # type: ignore[misc]
        assert blue > 200
        assert max(red, green) < 60
    made = daemon.call("library.thumbnail", path=path, width=32, height=32, format="sixel")
    assert base64.b64decode(made["data"]).startswith(b"\x1bP0;1;0q")


def test_a_thumbnail_too_large_for_one_line_is_made_smaller(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "photos").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    Image.fromarray(noise).save(home / "photos" / "noise.png")
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=1, pending=0, scanning=False)
        path = str(daemon.photos / "noise.png")
        made = daemon.call("library.thumbnail", path=path, width=1024, height=1024)
        assert len(made["data"]) < 1 << 20
        assert Image.open(io.BytesIO(base64.b64decode(made["data"]))).size == (made["width"], made["height"])
        assert made["width"] > 300


def test_only_photos_of_the_library_have_thumbnails(daemon: Daemon, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="no photo of the library") as caught:
        daemon.call("library.thumbnail", path=str(photo(tmp_path / "x.png", "red")))
    assert caught.value.kind == "OutsideLibrary"


def test_workers_on_demand_stop_when_they_are_idle(daemon: Daemon, tmp_path: Path) -> None:
    daemon.found(f"like:{photo(tmp_path / 'a.png', 'red')}")
    text = daemon.call("metrics")["text"]
    assert 'worker="like"' in text or 'process="like"' in text


@pytest.mark.skipif(not SHARED.exists(), reason="there is no collection of odd photos here")
def test_hostile_files_as_queries_do_no_harm(daemon: Daemon) -> None:
    kinds = set()
    files = sorted(path for path in (SHARED / "malformed").rglob("*") if path.is_file())[::12]
    for file in files:
        try:
            daemon.call("search", query=f'like:"{file}"')
        except RemoteError as problem:
            kinds.add(problem.kind)
    assert kinds == {"UnreadableImage"}
    assert daemon.found("red", 1) == ["Holidays/2023/red.jpg"]
    assert "Traceback" not in daemon.log.read_text()


# --- standing queries ---------------------------------------------------------------------------------------------


def test_albums_are_stored_and_their_folders_follow_the_library(tmp_path: Path) -> None:
    home = tmp_path / "home"
    photo(home / "photos" / "red.png", "red")
    photo(home / "photos" / "blue.png", "blue")
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=2, pending=0, scanning=False)
        place = daemon.state / "albums" / "all of it"
        assert daemon.cli("albums", "save", "--folder", "all of it", "red").stdout.strip() == str(place)
        daemon.cli("albums", "save", "undated", "date:none", "-blue")

        def links() -> dict[str, str]:
            return {link.name: os.readlink(link) for link in place.iterdir() if link.is_symlink()}

        assert links() == {name: str(daemon.photos / name) for name in ("red.png", "blue.png")}
        (place / "mine.txt").write_text("not a link")
        photo(daemon.photos / "trip" / "red.png", "red")
        wait_until(lambda: "red (2).png" in links(), "a new photo is linked")
        (daemon.photos / "blue.png").unlink()
        wait_until(lambda: "blue.png" not in links(), "the link of a deleted photo is gone")
        listed = {album["name"]: album for album in daemon.call("albums.list")["albums"]}
        assert listed["all of it"]["photos"] == 2
        assert listed["undated"]["folder"] is None
        shown = daemon.cli("albums", "show", "undated", "--json").stdout.splitlines()
        assert len(shown) == 2
    daemon.start()
    try:
        assert set(links()) == {"red.png", "red (2).png"}
        daemon.cli("albums", "remove", "all of it")
        assert [path.name for path in place.iterdir()] == ["mine.txt"], "what is not ours stays"
        assert "no album" in daemon.cli("albums", "remove", "all of it", check=False).stderr
        for name in ("a/b", ".x", "x\ny"):
            assert daemon.cli("albums", "save", name, "red", check=False).returncode == 1
        assert "months go from" in daemon.cli("albums", "save", "x", "date:2024-13", check=False).stderr
    finally:
        daemon.stop()
