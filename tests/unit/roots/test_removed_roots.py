from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.state.json_files import RemovedFile
from phsearch.domain.problems import Problems
from phsearch.domain.roots.deletion_policy import RemovedRoot, RetentionPolicy, grouped, recorded
from phsearch.domain.roots.mounts import of_root
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import Volume

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400


@pytest.mark.parametrize(
    ("then", "keep", "ends"),
    [("forget", False, 1000 + 30 * DAY), ("forget", True, None), ("keep", False, None), ("keep", True, None)],
)
def test_photos_are_forgotten_after_the_time_of_grace_unless_they_are_to_be_kept(
    then: str, *, keep: bool, ends: float | None
) -> None:
    assert RetentionPolicy(then, 30).delete_at(RemovedRoot("/a", 1000, keep)) == ends  # type: ignore[arg-type]


def test_photos_without_a_record_are_counted_under_the_root_they_had() -> None:
    assert grouped([("/a/1", "/a"), ("/a/b/2", "/a/b"), ("/c/3", "/c")], {}) == {
        "/a": {"/a/1"},
        "/a/b": {"/a/b/2"},
        "/c": {"/c/3"},
    }


def test_what_is_on_record_says_best_where_a_photo_belonged() -> None:
    records = {root: RemovedRoot(root, 1) for root in ("/a", "/a/b")}
    assert grouped([("/a/b/2", "/a"), ("/a/1", "/gone")], records) == {"/a/b": {"/a/b/2"}, "/a": {"/a/1"}}


def test_a_record_keeps_its_date_and_goes_with_its_last_photo() -> None:
    records = {"/a": RemovedRoot("/a", 1, keep=True), "/b": RemovedRoot("/b", 2)}
    assert recorded(["/a", "/c"], records, 9) == {"/a": RemovedRoot("/a", 1, keep=True), "/c": RemovedRoot("/c", 9)}


# --- disks stay where they are while roots come and go inside one another -------------------------------------------


def identities(root: str, roots: list[str], *volumes: Volume) -> dict[str, str]:
    found = of_root(root, Roots(roots), list(volumes))
    assert all(volume.root == root for volume in found)
    return {volume.path: volume.identity for volume in found}


def test_a_disk_mounted_in_a_root_is_known_when_its_folder_becomes_a_root() -> None:
    own, inner = Volume("/a", "/a", "ext4 X at /", 1), Volume("/a/b", "/a", "ext4 Y", 1)
    assert identities("/a/b", ["/a", "/a/b"], own, inner) == {"/a/b": "ext4 Y at /a/b"}
    assert identities("/a", ["/a", "/a/b"], own, inner) == {"/a": "ext4 X at /"}


def test_a_disk_that_was_a_root_is_known_by_the_root_around_it() -> None:
    own, inner = Volume("/a", "/a", "ext4 X at /", 1), Volume("/a/b", "/a/b", "ext4 Y at /a/b", 1)
    assert identities("/a", ["/a"], own, inner) == {"/a": "ext4 X at /", "/a/b": "ext4 Y"}


def test_a_root_that_was_a_plain_folder_is_no_disk_of_the_root_around_it() -> None:
    own, folder = Volume("/a", "/a", "ext4 X at /", 1), Volume("/a/b", "/a/b", "ext4 X at /", 1)
    assert identities("/a", ["/a"], own, folder) == {"/a": "ext4 X at /"}


def test_a_new_root_lies_on_the_disk_of_the_root_around_it() -> None:
    own, inner = Volume("/a", "/a", "ext4 X at /", 1), Volume("/a/m", "/a", "ext4 Y", 1)
    assert identities("/a/b", ["/a", "/a/b"], own, inner) == {"/a/b": "ext4 X at /"}
    assert identities("/a/m/c", ["/a", "/a/m/c"], own, inner) == {"/a/m/c": "ext4 Y at /a/m"}


def test_roots_are_replaced_for_all_that_hold_them() -> None:
    roots = Roots(["/a", "/b"])
    roots.replace(["/b/", "/a/c", "/b"])
    assert list(roots) == ["/b", "/a/c"]
    assert roots.root_of("/a/x") is None
    assert roots.root_of("/a/c/x") == "/a/c"


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "/gone", "since": "x", "keep": False},
        {"path": "/gone", "since": 10**400, "keep": False},
        {"path": "/gone", "since": 1.0, "keep": 0},
        {"path": 5, "since": 1.0, "keep": False},
        {"since": 1.0},
        7,
    ],
)
def test_a_record_that_makes_no_sense_costs_no_other(tmp_path: Path, wrong: object) -> None:
    file, problems = tmp_path / "removed.json", Problems()
    file.write_text(json.dumps([wrong, {"path": "/old", "since": 5.0, "keep": True}]))
    records = RemovedFile(file, problems)
    assert records.load() == [RemovedRoot("/old", 5.0, keep=True)]
    assert [each.part for each in problems] == ["removed folders"]
    records.save([])
    assert not list(problems)


@pytest.mark.parametrize("content", ["", "7", "null", "{", "[" * 99_999, "\xff", '{"a": 1}'])
def test_a_list_of_removed_folders_that_is_damaged_counts_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "removed.json").write_text(content, "latin-1")
    assert RemovedFile(tmp_path / "removed.json").load() == []
