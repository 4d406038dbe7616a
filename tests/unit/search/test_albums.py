"""Folders of links: the right links are added, those that were right stay, and nothing foreign is touched."""

from __future__ import annotations

import asyncio
import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.adapters.state.album_links import AlbumLinks
from phsearch.domain.albums import Album, changes, check_name, links
from phsearch.domain.problems import Problems
from phsearch.errors import AlbumError, StoreError
from phsearch.paths import StateFolder
from phsearch.service.events import EventBus
from phsearch.service.search.albums import Albums

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.service.search.searcher import Searcher, SearchRequest

paths = st.lists(st.sampled_from([f"/{folder}/{name}" for folder in "abc" for name in ("x.jpg", "y.jpg", "z", ".h")]))


@given(paths, paths, st.sets(st.sampled_from(["x.jpg", "y (2).jpg", "z"])))
def test_the_changes_lead_to_exactly_the_new_links(before: list[str], after: list[str], foreign: set[str]) -> None:
    current = links(before, {}, foreign)
    found = changes(links(after, current, foreign), current)
    now = {name: target for name, target in current.items() if name not in found.removed} | dict(found.added)
    assert sorted(now.values()) == sorted(set(after)), "one link for each photo"
    assert not foreign & now.keys()
    assert all(now[name] == target for name, target in current.items() if target in after), "right links stay"
    again = changes(links(after, now, foreign), now)
    assert (again.removed, again.added) == ((), ()), "the second time there is nothing to do"


def test_links_have_the_names_of_their_photos_and_numbers_only_where_needed() -> None:
    assert links(["/a/x.jpg", "/b/x.jpg", "/c/x.jpg"], {}) == {
        "x.jpg": "/a/x.jpg",
        "x (2).jpg": "/b/x.jpg",
        "x (3).jpg": "/c/x.jpg",
    }
    assert links(["/a/x.jpg"], {}, {"x.jpg"}) == {"x (2).jpg": "/a/x.jpg"}


@pytest.mark.parametrize("name", ["", ".x", "a/b", " x", "x\n", "\x1b[m", "x" * 101])
def test_names_that_cannot_be_folders_are_refused(name: str) -> None:
    with pytest.raises(AlbumError):
        check_name(name)


def test_a_stored_list_is_loaded_and_a_damaged_one_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = AlbumLinks(StateFolder(tmp_path))
    assert files.load_albums() == []
    albums = [
        Album(name="cats", query="cat -dog", limit=5, band="strong", folder=True),
        Album(name="ü", query="x"),
    ]
    files.save_albums(albums)
    assert files.load_albums() == albums
    (tmp_path / "albums.json").write_text("[{")
    assert files.load_albums() == []
    assert "set aside" in caplog.text
    assert (tmp_path / "albums.damaged").read_text() == "[{"
    assert files.load_albums() == []


VALID = {"name": "x", "query": "y", "limit": 1, "band": "", "folder": True}


@pytest.mark.parametrize(
    "content",
    ["{}[", '{"a": 1}', "[1]", "7", "[" * 100_000, json.dumps([VALID | {"name": "../x"}]), json.dumps([{"name": "x"}])],
    ids=["json", "object", "number in it", "number", "deep", "leads out", "incomplete"],
)
def test_the_daemon_starts_whatever_the_list_contains(tmp_path: Path, content: str) -> None:
    (tmp_path / "albums.json").write_text(content)
    assert AlbumLinks(StateFolder(tmp_path)).load_albums() == []
    assert (tmp_path / "albums.damaged").exists()


def test_an_album_that_makes_no_sense_costs_no_other(tmp_path: Path) -> None:
    state, problems = StateFolder(tmp_path), Problems()
    state.albums_file.write_text(json.dumps([VALID, {"name": 1}, VALID | {"name": "z", "limit": 10**400}]))
    kept = AlbumLinks(state, problems).load_albums()
    assert [(album.name, album.limit) for album in kept] == [("x", 1), ("z", 1000)]
    assert str(state.damaged_albums_file) in next(iter(problems)).text
    assert AlbumLinks(state).load_albums() == kept, "at the next start, too"
    state.damaged_albums_file.unlink()
    again = Problems()
    AlbumLinks(state, again).load_albums()
    assert not list(again)


def test_unknown_fields_in_a_list_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "albums.json").write_text(json.dumps([VALID | {"cover": "a.jpg"}]))
    assert AlbumLinks(StateFolder(tmp_path)).load_albums() == [
        Album(name="x", query="y", limit=1, band="", folder=True)
    ]


def test_odd_names_and_foreign_files_are_fine(tmp_path: Path) -> None:
    files = AlbumLinks(StateFolder(tmp_path))
    folder = tmp_path / "albums" / "odd"
    names = [os.fsdecode(b"\xff.jpg"), "new\nline.jpg", "same.jpg"]
    files.link_photos("odd", [f"/p/{name}" for name in names])
    assert {link.name for link in folder.iterdir()} == set(names)
    (folder / "mine").mkdir()
    (folder / "mine" / "kept.txt").write_text("x")
    (folder / "other.jpg").write_text("a foreign file")
    before = (folder / "same.jpg").lstat()
    files.link_photos("odd", ["/p/same.jpg", "/q/other.jpg"])
    assert {link.name for link in folder.iterdir()} == {"same.jpg", "other (2).jpg", "other.jpg", "mine"}
    assert (folder / "same.jpg").lstat().st_ctime_ns == before.st_ctime_ns, "a link that is right is not made again"
    files.forget_album("odd")
    assert {path.name for path in folder.iterdir()} == {"other.jpg", "mine"}
    files.forget_album("never made")


def test_a_foreign_link_to_a_photo_stays_and_gets_no_second(tmp_path: Path) -> None:
    files = AlbumLinks(StateFolder(tmp_path))
    files.link_photos("x", ["/p/a.jpg"])
    folder = tmp_path / "albums" / "x"
    (folder / "mine.jpg").symlink_to("/p/b.jpg")
    files.link_photos("x", ["/p/a.jpg", "/p/b.jpg"])
    assert {link.name for link in folder.iterdir()} == {"a.jpg", "mine.jpg"}
    files.link_photos("x", [])
    assert {link.name for link in folder.iterdir()} == {"mine.jpg"}


def test_a_link_that_was_replaced_by_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    files = AlbumLinks(StateFolder(tmp_path))
    files.link_photos("x", ["/p/a.jpg", "/p/b.jpg"])
    folder = tmp_path / "albums" / "x"
    (folder / "a.jpg").unlink()
    (folder / "a.jpg").symlink_to("/elsewhere/of/mine.jpg")
    (folder / "b.jpg").unlink()
    (folder / "b.jpg").write_text("mine")
    files.forget_album("x")
    assert {link.name for link in folder.iterdir()} == {"a.jpg", "b.jpg"}


def test_with_a_damaged_record_links_stay_and_none_is_doubled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = AlbumLinks(StateFolder(tmp_path))
    files.link_photos("x", ["/p/a.jpg", "/p/b.jpg"])
    (tmp_path / "albums" / ".x").write_text("[[[")
    files.link_photos("x", ["/p/a.jpg", "/p/c.jpg"])
    assert {link.name for link in (tmp_path / "albums" / "x").iterdir()} == {"a.jpg", "b.jpg", "c.jpg"}
    assert "is not known any more" in caplog.text


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    files = AlbumLinks(StateFolder(tmp_path))
    files.link_photos("x", ["/p/a.jpg"])
    places = [tmp_path, *tmp_path.rglob("*")]
    before = [place.lstat().st_ctime_ns for place in places]
    files.link_photos("x", ["/p/a.jpg"])
    assert [place.lstat().st_ctime_ns for place in places] == before


@pytest.mark.parametrize("instead", ["albums", "albums/x"])
def test_a_link_in_place_of_a_folder_is_not_followed(tmp_path: Path, instead: str) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    (state / instead).parent.mkdir(parents=True)
    elsewhere.mkdir()
    (state / instead).symlink_to(elsewhere)
    with pytest.raises(StoreError, match="cannot write"):
        AlbumLinks(StateFolder(state)).link_photos("x", ["/p/a.jpg"])
    assert not list(elsewhere.rglob("*.jpg"))


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "albums").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        AlbumLinks(StateFolder(tmp_path)).link_photos("x", ["/p/a.jpg"])


def test_a_bug_in_one_album_costs_no_other_and_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class BrokenSearcher:
        async def search(self, request: SearchRequest) -> SimpleNamespace:
            if request.query == "broken":
                raise ValueError("odd")
            return SimpleNamespace(hits=[SimpleNamespace(photo=SimpleNamespace(path="/p/a.jpg"))])

    async def scenario() -> list[str | None]:
        storage = AlbumLinks(StateFolder(tmp_path))
        storage.save_albums(Album(name=name, query=name, folder=True) for name in ("broken", "fine"))
        albums = Albums(storage=storage, searcher=cast("Searcher", BrokenSearcher()), events=EventBus())
        for _ in range(3):
            assert await albums.refresh()
        return [album.problem for album in albums.list_albums()]

    assert asyncio.run(scenario()) == ["a bug in phsearch (ValueError: odd): report it", None]
    assert (tmp_path / "albums" / "fine" / "a.jpg").is_symlink()
    assert caplog.text.count("Traceback") == 1
