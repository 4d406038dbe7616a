from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.files.scanner import FolderScanner
from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import DuplicateDir, NotAFile, PhotoFile, ScanItem, UnreadableDir

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RULES = IgnoreRules(("@eaDir/", "*.tmp"))


def make(folder: Path, *names: str, size: int = 3) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def names(items: Iterable[ScanItem], folder: Path) -> list[str]:
    return sorted(os.path.relpath(item.path, folder) for item in items if not isinstance(item, DuplicateDir))


def scanner(*roots: Path, rules: IgnoreRules = RULES, follow: bool = False) -> FolderScanner:
    return FolderScanner(Roots([str(root) for root in roots]), rules, follow_symlinks=follow)


def scan(root: Path, *others: Path, follow: bool = False) -> list[str]:
    return names(scanner(root, *others, follow=follow).scan(str(root), str(root)), root)


def test_every_photo_is_found_with_its_fingerprint(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b/c.JPG", "b/d/e.nef", "b/notes.txt")
    items = list(scanner(tmp_path).scan(str(tmp_path), str(tmp_path)))
    assert names(items, tmp_path) == ["a.jpg", "b/c.JPG", "b/d/e.nef"]
    found = next(item for item in items if item.path.endswith("a.jpg"))
    assert isinstance(found, PhotoFile)
    status = (tmp_path / "a.jpg").stat()
    assert (found.fingerprint.size, found.fingerprint.mtime_ns) == (3, status.st_mtime_ns)


def test_ignored_and_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", ".hidden/a.jpg", "@eaDir/a.jpg", "b.tmp/a.jpg", ".b.jpg")
    assert scan(tmp_path) == ["a.jpg"]


def test_a_scan_below_a_folder_stays_there(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b/c.jpg", "b/@eaDir/c.jpg")
    below = str(tmp_path / "b")
    assert names(scanner(tmp_path).scan(str(tmp_path), below), tmp_path) == ["b/c.jpg"]
    assert list(scanner(tmp_path).scan(str(tmp_path), f"{below}/@eaDir")) == []


def test_an_inner_root_is_left_to_itself(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "work/b.jpg", "work/c/d.jpg")
    inner = tmp_path / "work"
    assert scan(tmp_path, inner) == ["a.jpg"]
    assert scan(inner, tmp_path) == ["b.jpg", "c/d.jpg"]
    assert list(scanner(tmp_path, inner).scan(str(tmp_path), str(inner / "c"))) == []


def test_links_are_not_followed_unless_asked(tmp_path: Path) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    make(root, "a.jpg")
    make(away, "b.jpg")
    (root / "link").symlink_to(away)
    (root / "c.jpg").symlink_to(away / "b.jpg")
    (root / "dangling.jpg").symlink_to(tmp_path / "nothing")
    assert scan(root) == ["a.jpg"]
    assert scan(root, follow=True) == ["a.jpg", "c.jpg", "link/b.jpg"]


def test_links_in_a_circle_end_and_a_photo_counts_once_under_its_real_path(tmp_path: Path) -> None:
    make(tmp_path, "zz/real/b.jpg")
    (tmp_path / "aa").symlink_to(tmp_path / "zz" / "real")
    (tmp_path / "zz" / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert scan(tmp_path, follow=True) == ["zz/real/b.jpg"]


def test_a_link_from_one_root_into_another_counts_there(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    make(one, "a.jpg")
    make(two, "b.jpg")
    (one / "link").symlink_to(two)
    assert scan(one, two, follow=True) == ["a.jpg"]
    assert scan(two, one, follow=True) == ["b.jpg"]


@pytest.mark.parametrize("link", ["state/albums/cats", "state/albums", "state"])
def test_no_link_leads_into_the_albums_folder(tmp_path: Path, link: str) -> None:
    root, apart = tmp_path / "root", tmp_path / "state" / "albums"
    make(root, "a.jpg")
    make(tmp_path / "state", "own.jpg")
    make(apart, "cats/b.jpg")
    (root / "link").symlink_to(tmp_path / link)
    following = FolderScanner(Roots([str(root)]), RULES, follow_symlinks=True, albums_dir=str(apart))
    expected = {"a.jpg", "link/own.jpg"} if link == "state" else {"a.jpg"}
    assert set(names(following.scan(str(root), str(root)), root)) == expected
    inside = root / "link" / os.path.relpath(apart / "cats", tmp_path / link)
    assert list(following.scan(str(root), str(inside))) == []
    assert following.check_path(str(inside / "b.jpg")) is None
    assert isinstance(following.check_path(str(root / "a.jpg")), PhotoFile)


def test_what_is_no_file_is_refused_with_its_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
        items = sorted(scanner(tmp_path).scan(str(tmp_path), str(tmp_path)), key=lambda item: item.path)
    assert [type(item) for item in items] == [NotAFile, NotAFile]
    assert [item.reason for item in items if isinstance(item, NotAFile)] == [
        "a FIFO, not a regular file",
        "a socket, not a regular file",
    ]


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9/\xff\xfe.jpg"
    os.mkdir(os.path.dirname(raw))
    os.close(os.open(raw, os.O_CREAT))
    items = list(scanner(tmp_path).scan(str(tmp_path), str(tmp_path)))
    assert [os.fsencode(item.path) for item in items] == [raw]
    assert scanner(tmp_path).check_path(items[0].path) == items[0]


def test_a_tree_deeper_than_the_recursion_limit_is_no_problem(tmp_path: Path) -> None:
    folders = [f"{tmp_path}{'/d' * depth}" for depth in range(1, 1200)]
    for folder in folders:
        os.mkdir(folder)
    photo = f"{folders[-1]}/a.jpg"
    os.close(os.open(photo, os.O_CREAT))
    found = [item.path for item in scanner(tmp_path).scan(str(tmp_path), str(tmp_path))]
    os.unlink(photo)
    for folder in reversed(folders):
        os.rmdir(folder)
    assert found == [photo]


class Grumpy(FolderScanner):
    """Fails at one file, as in a folder without the x bit (root may read everything)."""

    def _classify(self, path: str, status: os.stat_result) -> PhotoFile | NotAFile | None:
        if path.endswith("locked.jpg"):
            raise PermissionError(13, "Permission denied")
        return super()._classify(path, status)


def test_a_folder_that_cannot_be_looked_at_is_unlistable_and_the_rest_goes_on(tmp_path: Path) -> None:
    make(tmp_path, "a/locked.jpg", "a/open.jpg", "b/c.jpg")
    grumpy = Grumpy(Roots([str(tmp_path)]), RULES)
    items = list(grumpy.scan(str(tmp_path), str(tmp_path)))
    assert names(items, tmp_path) == ["a", "a/open.jpg", "b/c.jpg"]
    assert UnreadableDir(str(tmp_path / "a"), "permission denied") in items
    with pytest.raises(PermissionError):
        grumpy.check_path(str(tmp_path / "a" / "locked.jpg"))


def test_a_start_that_is_gone_raises_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scanner(tmp_path).scan(str(tmp_path), str(tmp_path / "gone"))


def test_what_vanishes_during_the_scan_is_skipped(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg", "c.jpg")
    items = scanner(tmp_path).scan(str(tmp_path), str(tmp_path))
    first = next(items)
    for path in (tmp_path / "a" / "1.jpg", tmp_path / "b" / "2.jpg"):
        path.unlink()
        path.parent.rmdir()
    assert names([first, *items], tmp_path) == ["c.jpg"]


def test_a_look_judges_one_path_as_the_scan_would(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root, "a.jpg", "@eaDir/a.jpg", ".b.jpg", "c.txt")
    make(root, "big.jpg", size=100)
    make(tmp_path, "away/x.jpg")
    os.mkfifo(root / "pipe.jpg")
    (root / "dir.jpg").mkdir()
    (root / "link").symlink_to(tmp_path / "away")
    (root / "l.jpg").symlink_to(root / "a.jpg")
    look = scanner(root).check_path
    assert isinstance(look(f"{root}/a.jpg"), PhotoFile)
    assert isinstance(look(f"{root}/pipe.jpg"), NotAFile)
    not_ours = ["@eaDir/a.jpg", ".b.jpg", "c.txt", "gone.jpg", "a.jpg/x.jpg", "dir.jpg", "link/x.jpg", "l.jpg"]
    assert [look(f"{root}/{name}") for name in [*not_ours, "../away/x.jpg", "n" * 300 + ".jpg"]] == [None] * 10
    follow = scanner(root, follow=True).check_path
    assert isinstance(follow(f"{root}/link/x.jpg"), PhotoFile)
    assert isinstance(follow(f"{root}/l.jpg"), PhotoFile)
    small = scanner(root, rules=IgnoreRules(min_bytes=50)).check_path
    assert small(f"{root}/a.jpg") is None
    assert isinstance(small(f"{root}/big.jpg"), PhotoFile)


def test_a_look_into_a_root_that_is_gone_raises_instead_of_saying_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scanner(tmp_path / "stick").check_path(str(tmp_path / "stick" / "a.jpg"))
