"""A photo is known by the name that its folder lists, on disks that accept other spellings of it, too."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.files.path_status import stat_path
from phsearch.adapters.files.scanner import FolderScanner
from phsearch.domain.roots.ignore_rules import IgnoreRules
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import OtherPath, PhotoFile
from support.machine import hung_fs
from support.machine.folding_fs import folding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_fuse = pytest.mark.skipif(bool(hung_fs.why_not()), reason=hung_fs.why_not())


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


LISTED = (
    "IMG_0001.JPG",
    "Trip/Beach.jpg",
    "caf\u00e9.jpg",
    decomposed("\u00c5ngstr\u00f6m.jpg"),
    "\u00c9t\u00e9/\u00e0 la mer.jpg",
    decomposed("\u00fcber/\u00f6l.jpg"),
    "2023/\u0416\u0443\u043a.jpg",
    "Stra\u00dfe.jpg",
    "a b/c.d/x.JPEG",
    "a very long name.jpg",
    "a very long folder.d/1.png",
    "IMG_1~2.jpg",
)


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def scanner(root: Path) -> FolderScanner:
    return FolderScanner(Roots([str(root)]), IgnoreRules())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    make(tmp_path / "back", *LISTED)
    (tmp_path / "disk").mkdir()
    with folding(tmp_path / "back", tmp_path / "disk"):
        yield tmp_path / "disk"


@needs_fuse
def test_the_listed_name_is_a_photo(disk: Path) -> None:
    check = scanner(disk).path_checker()
    assert {type(check(f"{disk}/{name}")) for name in LISTED} == {PhotoFile}
    scanned = scanner(disk).scan(str(disk), str(disk))
    assert sorted(os.path.relpath(item.path, disk) for item in scanned) == sorted(LISTED)


@needs_fuse
@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("img_0001.jpg", "IMG_0001.JPG"),
        ("Img_0001.jpg", "IMG_0001.JPG"),
        ("trip/Beach.jpg", "Trip/Beach.jpg"),
        ("TRIP/BEACH.JPG", "Trip/Beach.jpg"),
        (decomposed("caf\u00e9.jpg"), "caf\u00e9.jpg"),
        ("CAF\u00c9.jpg", "caf\u00e9.jpg"),
        ("\u00c5ngstr\u00f6m.jpg", decomposed("\u00c5ngstr\u00f6m.jpg")),
        (decomposed("\u00c9t\u00e9/\u00e0 la mer.jpg"), "\u00c9t\u00e9/\u00e0 la mer.jpg"),
        ("\u00fcber/\u00f6l.jpg", decomposed("\u00fcber/\u00f6l.jpg")),
        ("2023/\u0416\u0423\u041a.jpg", "2023/\u0416\u0443\u043a.jpg"),
        ("STRASSE.jpg", "Stra\u00dfe.jpg"),
        ("A B/C.D/X.jpeg", "a b/c.d/x.JPEG"),
        ("AVERY~1.JPG", None),
        ("A VERY~1.JPG", None),
        ("A VERY~1.D/1.png", None),
        ("img_1~2.JPG", "IMG_1~2.jpg"),
    ],
)
def test_another_spelling_that_the_disk_accepts_is_only_another_name_of_it(
    disk: Path, asked: str, listed: str | None
) -> None:
    found = scanner(disk).check_path(f"{disk}/{asked}")
    assert found == (None if listed is None else OtherPath(f"{disk}/{listed}"))
    assert stat_path(f"{disk}/{asked}", str(disk)).kind == "nothing"


def test_a_disk_that_tells_case_apart_has_both_names_and_its_folders_are_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *LISTED, "A.jpg", "a.jpg", "Up/1.jpg", "up/1.jpg")
    check = scanner(tmp_path).path_checker()
    names = ("A.jpg", "a.jpg", "Up/1.jpg", "up/1.jpg")
    assert [type(check(f"{tmp_path}/{name}")) for name in names] == [PhotoFile] * 4

    def listed(_: str) -> list[str]:
        raise AssertionError("a folder was listed")

    monkeypatch.setattr(os, "listdir", listed)
    assert {type(scanner(tmp_path).check_path(f"{tmp_path}/{name}")) for name in LISTED} == {PhotoFile}
    assert scanner(tmp_path).check_path(f"{tmp_path}/img_0001.jpg") is None


@needs_fuse
def test_many_paths_list_each_folder_once(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    real = os.listdir

    def counted(folder: str) -> list[str]:
        listed.append(folder)
        return real(folder)

    make(disk.parent / "back", *(f"Trip/{number}.jpg" for number in range(50)))
    monkeypatch.setattr(os, "listdir", counted)
    check = scanner(disk).path_checker()
    assert {type(check(f"{disk}/Trip/{number}.jpg")) for number in range(50)} == {PhotoFile}
    assert sorted(listed.count(each) for each in {str(disk), f"{disk}/Trip"}) == [1, 1]


def test_the_root_itself_and_a_file_below_a_thousand_folders_are_looked_at(tmp_path: Path) -> None:
    assert stat_path(str(tmp_path), str(tmp_path)).kind == "folder"
    deep = "d/" * 900
    (tmp_path / deep).mkdir(parents=True)
    (tmp_path / deep / "a.jpg").touch()
    assert stat_path(f"{tmp_path}/{deep}a.jpg", str(tmp_path)).kind == "file"
