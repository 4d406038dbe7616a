"""Paths as people type them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phsearch.paths import absolute_path, expand_typed, working_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("a.jpg", "/here/a.jpg"),
        ("./a/../b.jpg", "/here/b.jpg"),
        ("..", "/"),
        ("/x/y/", "/x/y"),
        ("~", "/home/me"),
        ("~/x y.jpg", "/home/me/x y.jpg"),
        ("~root/x", f"{os.path.expanduser('~root')}/x"),
        ("~nobody-of-this-name/x", "/here/~nobody-of-this-name/x"),
        ("a~", "/here/a~"),
        ("file:///x/a%20b.jpg", "/x/a b.jpg"),
        ("file://localhost/x/a.jpg", "/x/a.jpg"),
        ("file:/x/%C3%A9.jpg", "/x/é.jpg"),
        ("file:///x/%ff.jpg", "/x/\udcff.jpg"),
        ("file:a.jpg", "/here/file:a.jpg"),
        ("100%25.jpg", "/here/100%25.jpg"),
    ],
)
def test_a_typed_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, typed: str, path: str) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/here")
    assert absolute_path(typed, {"HOME": "/home/me"}) == path


def test_the_current_folder_has_the_name_by_which_it_was_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk" / "trip").mkdir(parents=True)
    (tmp_path / "Pictures").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path / "Pictures" / "trip")
    entered, real = str(tmp_path / "Pictures" / "trip"), str(tmp_path / "disk" / "trip")
    assert working_folder({"PWD": entered}) == entered
    assert working_folder({"PWD": f"{entered}/../trip"}) == entered
    for stale in ("", str(tmp_path), "Pictures/trip", f"{tmp_path}/gone"):
        assert working_folder({"PWD": stale}) == real
    assert absolute_path("a.jpg", {"PWD": entered}) == f"{entered}/a.jpg"


def test_a_home_that_is_not_known_leaves_a_path_as_it_is() -> None:
    assert expand_typed("file:x", "") == "file:x"
    assert expand_typed("x", "") == "x"
