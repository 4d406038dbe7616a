"""Albums: stored queries, and folders of links that follow the library and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from phsearch.errors import RemoteError
from support.harness import Daemon, photo, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = "[watch]\nsettle_seconds = 0.2\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("albums"), settings=QUICK) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    """Return the shared daemon without albums, over two photos."""
    if (shared.home / "elsewhere").exists():
        (shared.home / "elsewhere").rename(shared.photos)
    for album in shared.call("albums.list")["albums"]:
        shared.call("albums.remove", name=album["name"])
    shutil.rmtree(shared.state / "albums", ignore_errors=True)
    wanted = {shared.photos / "2023" / "one.png", shared.photos / "2024" / "two.png"}
    for path in wanted:
        photo(path, "red")
    for path in [path for path in shared.photos.rglob("*.png") if path not in wanted]:
        path.unlink()
    wait_until(lambda: shared.status()["roots"][0]["state"] == "watching", "the folder is watched")
    shared.becomes(photos=2, errors=0, pending=0, scanning=False)
    return shared


def links(daemon: Daemon, name: str = "reds") -> dict[str, str]:
    """Return the links of an album's folder, name -> target."""
    folder = daemon.state / "albums" / name
    if not folder.is_dir():
        return {}
    return {entry.name: os.readlink(entry) for entry in os.scandir(folder) if entry.is_symlink()}


def wait_for_links(daemon: Daemon, *paths: Path, name: str = "reds") -> dict[str, str]:
    """Wait until an album's folder has links to exactly these photos, and return them."""
    wanted = sorted(map(str, paths))
    wait_until(lambda: sorted(links(daemon, name).values()) == wanted, f"the links are {wanted}")
    return links(daemon, name)


def save_album(daemon: Daemon, name: str = "reds", query: str = "in:2024", **more: object) -> dict[str, object]:
    album: dict[str, object] = daemon.call("albums.save", name=name, query=query, folder=True, **more)["album"]
    return album


def state(daemon: Daemon) -> dict[str, tuple[int, int, int]]:
    """Return the facts of the state directory that a write would change."""
    found = {}
    for folder, folders, files in os.walk(daemon.state):
        for each in (folder, *(os.path.join(folder, name) for name in (*folders, *files))):
            status = os.lstat(each)
            found[each] = (status.st_ino, status.st_ctime_ns, status.st_size)
    return found


def test_a_folder_follows_additions_deletions_renames_and_restarts(daemon: Daemon) -> None:
    done = daemon.cli("albums", "save", "--folder", "pictures", "type:png")
    assert done.stdout == f"{daemon.state}/albums/pictures\n"
    one, two = daemon.photos / "2023" / "one.png", daemon.photos / "2024" / "two.png"
    wait_for_links(daemon, one, two, name="pictures")
    three = photo(daemon.photos / "2024" / "three.png", "blue")
    wait_for_links(daemon, one, two, three, name="pictures")
    one.unlink()
    wait_for_links(daemon, two, three, name="pictures")
    two = two.rename(daemon.photos / "2024" / "renamed.png")
    assert wait_for_links(daemon, two, three, name="pictures").keys() == {"renamed.png", "three.png"}
    daemon.stop()
    four = photo(daemon.photos / "four.png", "red")
    three.unlink()
    daemon.start()
    wait_for_links(daemon, two, four, name="pictures")


def test_a_photo_that_no_longer_matches_leaves_the_folder(daemon: Daemon) -> None:
    two = daemon.photos / "2024" / "two.png"
    save_album(daemon)
    wait_for_links(daemon, two)
    two.write_bytes(b"no picture any more")
    wait_for_links(daemon)


def test_photos_with_the_same_name_are_numbered_and_a_right_link_is_never_touched(daemon: Daemon) -> None:
    same = photo(daemon.photos / "2023" / "two.png", "red")
    daemon.becomes(photos=3, pending=0)
    save_album(daemon, query="type:png")
    before = links(daemon)
    assert sorted(before) == ["one.png", "two (2).png", "two.png"]
    folder = daemon.state / "albums" / "reds"
    touched = {name: (folder / name).lstat().st_ctime_ns for name in before}
    (same if before["two.png"] == str(same) else daemon.photos / "2024" / "two.png").unlink()
    wait_until(lambda: len(links(daemon)) == 2, "the photo leaves")
    assert links(daemon).keys() == {"one.png", "two (2).png"}, "the other keeps its name"
    assert all((folder / name).lstat().st_ctime_ns == touched[name] for name in links(daemon))


def test_only_links_of_the_daemon_are_ever_removed(daemon: Daemon) -> None:
    save_album(daemon)
    folder = daemon.state / "albums" / "reds"
    (folder / "of mine.png").symlink_to("/somewhere/else.png")
    (folder / "notes.txt").write_text("mine")
    photo(daemon.photos / "2024" / "three.png", "blue")
    wait_until(lambda: "three.png" in links(daemon), "the folder is brought up to date")
    assert (folder / "of mine.png").is_symlink()
    daemon.call("albums.remove", name="reds")
    assert sorted(os.listdir(folder)) == ["notes.txt", "of mine.png"]


def test_a_removed_album_leaves_nothing(daemon: Daemon) -> None:
    save_album(daemon)
    save_album(daemon, "plain", "type:png")
    daemon.cli("albums", "remove", "reds")
    assert {name.lstrip(".") for name in os.listdir(daemon.state / "albums")} == {"plain"}
    assert (daemon.photos / "2024" / "two.png").exists()
    done = daemon.cli("albums", "remove", "reds", check=False)
    assert done.returncode == 1
    assert done.stderr == 'phsearch-client: there is no album "reds": there are: plain\n'


def test_an_album_without_a_folder_option_loses_its_folder(daemon: Daemon) -> None:
    save_album(daemon)
    daemon.call("albums.save", name="reds", query="in:2024")
    assert not (daemon.state / "albums" / "reds").exists()
    (album,) = daemon.call("albums.list")["albums"]
    assert (album["folder"], album["photos"]) == (None, None)


def test_an_idle_daemon_writes_nothing_and_neither_does_a_restart(daemon: Daemon) -> None:
    save_album(daemon)
    photo(daemon.photos / "other.png", "blue")
    daemon.becomes(photos=3, pending=0)
    folder = daemon.state / "albums"
    before = {path: value for path, value in state(daemon).items() if path.startswith(str(folder))}
    daemon.stop()
    daemon.start()
    daemon.settled()
    wait_until(lambda: daemon.call("albums.list")["albums"][0]["photos"] == 1, "the folder was looked at")
    assert {path: value for path, value in state(daemon).items() if path.startswith(str(folder))} == before


def test_odd_names_are_safe(daemon: Daemon) -> None:
    long = "x" * 251 + ".png"
    names = [os.fsdecode(b"\xff.png"), "new\nline.png", "-rf.png", "a b'\".png", "e\u0301.png", "ü.png", long]
    for name in names:
        photo(daemon.photos / "2024" / name, "red")
    photo(daemon.photos / "2024" / "more" / long, "red")
    daemon.becomes(photos=2 + len(names) + 1, pending=0)
    save_album(daemon)
    found = links(daemon)
    assert {*names, "two.png"} < found.keys()
    assert len(found) == len(names) + 2
    assert all(os.path.exists(path) for path in found.values())
    assert all(len(os.fsencode(name)) <= 255 for name in found)


def test_offline_photos_stay(daemon: Daemon) -> None:
    two = daemon.photos / "2024" / "two.png"
    save_album(daemon)
    wait_for_links(daemon, two)
    daemon.photos.rename(daemon.home / "elsewhere")
    daemon.becomes(photos=2)
    wait_until(lambda: daemon.status()["roots"][0]["state"] == "offline", "the folder is offline")
    assert links(daemon) == {"two.png": str(two)}


def test_a_query_that_no_longer_works_keeps_its_links_and_says_why(daemon: Daemon) -> None:
    save_album(daemon)
    before = wait_for_links(daemon, daemon.photos / "2024" / "two.png")
    daemon.stop()
    # As when a later version knows another language of queries, or a folder is gone.
    kept = daemon.state / "albums.json"
    kept.write_text(kept.read_text().replace("in:2024", "in:Nowhere"))
    daemon.start()

    def problem() -> str | None:
        said: str | None = daemon.call("albums.list")["albums"][0]["problem"]
        return said

    assert "there are no photos in a folder" in str(wait_until(problem, "it says why"))
    assert links(daemon) == before
    listed = daemon.cli("albums")
    assert listed.stdout == f"reds\t\tin:Nowhere\t{daemon.state}/albums/reds\n"
    assert "reds keeps what it has: there are no photos in a folder" in listed.stderr
    photo(daemon.photos / "Nowhere" / "new.png", "blue")
    wait_for_links(daemon, daemon.photos / "Nowhere" / "new.png")
    assert problem() is None


def test_an_impossible_album_is_refused_in_a_sentence(daemon: Daemon) -> None:
    for name in ("../x", ".x", "a/b", "a\nb", " a"):
        with pytest.raises(RemoteError, match="cannot be the name of an album"):
            daemon.call("albums.save", name=name, query="red")
    with pytest.raises(RemoteError, match="has no such month"):
        daemon.call("albums.save", name="x", query="date:2023-13")
    done = daemon.cli("albums", "save", "a/b", "red", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert daemon.call("albums.list")["albums"] == []


def test_albums_are_listed_and_survive_a_restart(daemon: Daemon) -> None:
    daemon.cli("albums", "save", "new ones", "-n", "5", "--", "type:png", "-in:2023")
    save_album(daemon)
    daemon.kill()
    daemon.start()
    wait_until(lambda: daemon.call("albums.list")["albums"][1]["photos"] == 1, "the folder was looked at")
    lines = daemon.cli("albums").stdout.splitlines()
    assert lines == ["new ones\t\ttype:png -in:2023\t", f"reds\t1\tin:2024\t{daemon.state}/albums/reds"]
    rows = [json.loads(line) for line in daemon.cli("albums", "list", "--json").stdout.splitlines()]
    assert [(row["name"], row["limit"], row["min_band"]) for row in rows] == [
        ("new ones", 5, "weak"),
        ("reds", 1000, None),
    ]
    assert daemon.cli("albums", "show", "-0", "new ones").stdout == f"{daemon.photos}/2024/two.png\0"
    assert daemon.cli("albums", "show", "news", check=False).stderr.endswith(
        'There is no album "news"; there are: new ones, reds.\n'
    )


def test_files_are_readable_by_their_owner_only(daemon: Daemon) -> None:
    save_album(daemon)
    for path in (daemon.state / "albums", daemon.state / "albums" / "reds", daemon.state / "albums.json"):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


def test_a_linked_album_in_a_watched_folder_is_not_indexed_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    photo(home / "photos" / "one.png", "red")
    settings = "[watch]\nsettle_seconds = 0.2\nfollow_symlinks = true\n"
    with running(home, settings=settings) as daemon:
        daemon.becomes(photos=1, pending=0, scanning=False)
        save_album(daemon, query="type:png")
        (daemon.photos / "album").symlink_to(daemon.state / "albums" / "reds")
        (daemon.photos / "state").symlink_to(daemon.state)
        photo(daemon.photos / "two.png", "blue")
        wait_for_links(daemon, daemon.photos / "one.png", daemon.photos / "two.png")
        daemon.call("library.rescan")
        daemon.settled()
        assert daemon.status()["photos"] == 2
        daemon.call("library.rescan", path=str(daemon.photos / "album"))
        daemon.settled()
        assert daemon.status()["photos"] == 2
