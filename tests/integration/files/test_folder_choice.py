"""A folder that is reached by several paths is scanned by one of them, whoever asks and whatever part is scanned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.files.scanner import FolderScanner
from phsearch.adapters.linux.mounts import MountTable
from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import DeferredDir, DuplicateDir, OtherPath, PhotoFile
from support.machine import bind_mounts
from support.machine.bind_mounts import bound

if TYPE_CHECKING:
    from pathlib import Path

needs_mounts = pytest.mark.skipif(bool(bind_mounts.why_not()), reason=bind_mounts.why_not())


class Rig:
    """A scanner whose answers are paths relative to a folder."""

    def __init__(self, top: Path, *roots: str, follow: bool = True) -> None:
        self.top = top
        self.roots = [str(top / root) for root in roots]
        self.scanner = FolderScanner(Roots(self.roots), IgnoreRules(), follow_symlinks=follow, mounts=MountTable().read)

    def scan(self, root: str, below: str = "") -> list[str]:
        """Return the photos, with what was left out or put off in brackets."""
        items = self.scanner.scan(str(self.top / root), str(self.top / (below or root)))
        return sorted(map(self._shown, items))

    def check(self, path: str) -> str | None:
        match self.scanner.check_path(str(self.top / path)):
            case PhotoFile(found):
                assert found == str(self.top / path)
                return "photo"
            case OtherPath(other):
                return os.path.relpath(other, self.top)
            case _:
                return None

    def _shown(self, item: object) -> str:
        match item:
            case PhotoFile(path):
                return os.path.relpath(path, self.top)
            case DuplicateDir(path, kept):
                return f"[{os.path.relpath(path, self.top)} is {kept and os.path.relpath(kept, self.top)}]"
            case DeferredDir(path):
                return f"[{os.path.relpath(path, self.top)} later]"
            case _:
                raise AssertionError(item)


def make(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")


@pytest.mark.parametrize("target", ["..", ".", "../..", "trip", "/"])
def test_a_link_that_leads_to_known_folders_adds_nothing_in_a_part_or_in_all(tmp_path: Path, target: str) -> None:
    top = tmp_path / "home"
    make(top, "pics/a.jpg", "pics/trip/b.jpg", "pics/trip/deep/c.jpg")
    known = ["pics/a.jpg", "pics/trip/b.jpg", "pics/trip/deep/c.jpg"]
    if target == "/":
        target = str(tmp_path)
    rig = Rig(top, "pics")
    assert rig.scan("pics") == known
    (top / "pics" / "loop").symlink_to(target)
    (top / "pics" / "trip" / "loop").symlink_to(target if target.startswith("/") else f"../{target}")
    assert rig.scan("pics", "pics/loop") == ["[pics/loop later]"]
    assert "[pics/trip/loop later]" in rig.scan("pics", "pics/trip")
    for _ in range(2):
        assert [each for each in rig.scan("pics") if each[0] != "["] == known
    inside = {"..": "pics/loop/pics/a.jpg", ".": "pics/loop/a.jpg", "trip": "pics/loop/b.jpg"}.get(target)
    if inside is not None:
        assert rig.check(inside) == ("pics/trip/b.jpg" if target == "trip" else "pics/a.jpg")
    assert rig.scan("pics", "pics/trip/deep") == ["pics/trip/deep/c.jpg"]


def test_of_two_links_the_one_that_was_there_before_stays_and_of_new_ones_the_first_by_name(tmp_path: Path) -> None:
    make(tmp_path, "away/a.jpg", "pics/b.jpg")
    rig = Rig(tmp_path, "pics")
    (tmp_path / "pics" / "z").symlink_to("../away")
    assert rig.scan("pics") == ["pics/b.jpg", "pics/z/a.jpg"]
    (tmp_path / "pics" / "a").symlink_to("../away")
    assert rig.scan("pics") == ["[pics/a is pics/z]", "pics/b.jpg", "pics/z/a.jpg"]
    assert (rig.check("pics/a/a.jpg"), rig.check("pics/z/a.jpg")) == ("pics/z/a.jpg", "photo")
    assert Rig(tmp_path, "pics").scan("pics") == ["[pics/z is pics/a]", "pics/a/a.jpg", "pics/b.jpg"]
    (tmp_path / "pics" / "z").unlink()
    assert rig.check("pics/a/a.jpg") == "photo"  # what was chosen is gone, and so is the reason
    assert rig.scan("pics") == ["pics/a/a.jpg", "pics/b.jpg"]


@pytest.mark.parametrize("target", ["two", "two/sub", "two/sub/deep"])
def test_a_link_into_another_root_leads_to_photos_of_that_root(tmp_path: Path, target: str) -> None:
    make(tmp_path, "one/a.jpg", "two/b.jpg", "two/sub/c.jpg", "two/sub/deep/d.jpg")
    (tmp_path / "one" / "link").symlink_to(tmp_path / target)
    rig = Rig(tmp_path, "one", "two")
    assert rig.scan("one") == ["[one/link is None]", "one/a.jpg"]
    assert rig.check("one/link/d.jpg") is None
    assert rig.scan("two") == ["two/b.jpg", "two/sub/c.jpg", "two/sub/deep/d.jpg"]


def test_what_a_link_shows_of_a_folder_that_its_root_leaves_out_counts(tmp_path: Path) -> None:
    make(tmp_path, "one/a.jpg", "one/.hidden/b.jpg", "two/.hidden/c.jpg")
    (tmp_path / "one" / "own").symlink_to(tmp_path / "one" / ".hidden")
    (tmp_path / "one" / "other").symlink_to(tmp_path / "two" / ".hidden")
    assert Rig(tmp_path, "one", "two").scan("one") == ["one/a.jpg", "one/other/c.jpg", "one/own/b.jpg"]


def test_a_root_that_is_a_link_into_another_root_has_its_photos_as_an_inner_root_has(tmp_path: Path) -> None:
    make(tmp_path, "big/a.jpg", "big/sub/b.jpg", "big/sub/deep/c.jpg")
    (tmp_path / "small").symlink_to(tmp_path / "big" / "sub")
    for follow in (False, True):
        rig = Rig(tmp_path, "big", "small", follow=follow)
        assert rig.scan("big") == ["[big/sub is None]", "big/a.jpg"]
        assert rig.check("big/sub/deep/c.jpg") is None
        assert rig.scan("small") == ["small/b.jpg", "small/deep/c.jpg"]


def test_a_real_folder_in_the_place_of_a_link_is_not_taken_for_it(tmp_path: Path) -> None:
    make(tmp_path, "pics/trip/a.jpg")
    (tmp_path / "pics" / "b").symlink_to("trip")
    rig = Rig(tmp_path, "pics")
    assert rig.scan("pics") == ["[pics/b is pics/trip]", "pics/trip/a.jpg"]
    (tmp_path / "pics" / "b").unlink()
    make(tmp_path, "pics/b/new.jpg")
    assert rig.check("pics/b/new.jpg") == "photo"
    assert rig.scan("pics", "pics/b") == ["pics/b/new.jpg"]


@needs_mounts
def test_a_folder_mounted_a_second_time_is_scanned_once_in_its_own_place(tmp_path: Path) -> None:
    make(tmp_path, "pics/trip/a.jpg", "pics/trip/deep/b.jpg", "pics/c.jpg")
    known = ["pics/c.jpg", "pics/trip/a.jpg", "pics/trip/deep/b.jpg"]
    rig = Rig(tmp_path, "pics", follow=False)
    with bound(tmp_path / "pics" / "trip", tmp_path / "pics" / "again"):
        assert rig.scan("pics") == ["[pics/again is pics/trip]", *known]
        assert rig.check("pics/again/deep/b.jpg") == "pics/trip/deep/b.jpg"
        assert rig.scan("pics", "pics/again/deep") == ["pics/trip/deep/b.jpg"]
        make(tmp_path, "pics/trip/new/d.jpg")
        assert rig.scan("pics", "pics/trip/new") == ["pics/trip/new/d.jpg"]
    assert rig.scan("pics") == sorted([*known, "pics/trip/new/d.jpg"])
    assert rig.check("pics/again/a.jpg") is None


@needs_mounts
def test_a_mount_of_a_folder_above_the_root_ends_and_adds_nothing(tmp_path: Path) -> None:
    make(tmp_path, "home/pics/a.jpg", "home/pics/trip/b.jpg", "home/other.jpg")
    known = ["home/pics/a.jpg", "home/pics/trip/b.jpg"]
    with bound(tmp_path / "home", tmp_path / "home" / "pics" / "up"):
        found = Rig(tmp_path, "home/pics", follow=False).scan("home/pics")
    assert [each for each in found if each[0] != "["] == [*known, "home/pics/up/other.jpg"]


@needs_mounts
def test_two_mounts_of_one_folder_elsewhere_are_scanned_once(tmp_path: Path) -> None:
    make(tmp_path, "disk/a.jpg", "disk/deep/b.jpg", "pics/c.jpg")
    with (
        bound(tmp_path / "disk", tmp_path / "pics" / "one"),
        bound(tmp_path / "disk", tmp_path / "pics" / "two"),
        bound(tmp_path / "disk" / "deep", tmp_path / "pics" / "also"),
    ):
        found = Rig(tmp_path, "pics", follow=False).scan("pics")
        assert sorted(os.path.basename(each) for each in found if each[0] != "[") == ["a.jpg", "b.jpg", "c.jpg"]
        assert found == Rig(tmp_path, "pics", follow=False).scan("pics")


@needs_mounts
@pytest.mark.parametrize("part", ["two", "two/sub"])
def test_a_mount_of_another_root_leads_to_photos_of_that_root(tmp_path: Path, part: str) -> None:
    make(tmp_path, "one/a.jpg", "two/b.jpg", "two/sub/c.jpg")
    with bound(tmp_path / part, tmp_path / "one" / "x"):
        rig = Rig(tmp_path, "one", "two", follow=False)
        assert rig.scan("one") == ["[one/x is None]", "one/a.jpg"]
        assert rig.check("one/x/c.jpg") is None
        assert rig.scan("two") == ["two/b.jpg", "two/sub/c.jpg"]


@needs_mounts
def test_a_root_that_is_a_mount_of_a_folder_of_another_root_has_its_photos(tmp_path: Path) -> None:
    make(tmp_path, "big/a.jpg", "big/sub/b.jpg")
    with bound(tmp_path / "big" / "sub", tmp_path / "small"):
        rig = Rig(tmp_path, "big", "small", follow=False)
        assert rig.scan("big") == ["[big/sub is None]", "big/a.jpg"]
        assert rig.scan("small") == ["small/b.jpg"]


@needs_mounts
def test_another_disk_below_a_root_is_scanned_as_any_folder(tmp_path: Path) -> None:
    make(tmp_path, "disk/deep/a.jpg", "pics/b.jpg")
    with bound(tmp_path / "disk", tmp_path / "pics" / "usb"):
        rig = Rig(tmp_path, "pics", follow=False)
        assert rig.scan("pics") == ["pics/b.jpg", "pics/usb/deep/a.jpg"]
        assert rig.scan("pics", "pics/usb/deep") == ["pics/usb/deep/a.jpg"]
        assert rig.check("pics/usb/deep/a.jpg") == "photo"
