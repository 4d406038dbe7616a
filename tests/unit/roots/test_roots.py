from __future__ import annotations

import pytest

from phsearch.domain.roots.roots import Roots

ROOTS = Roots(["/home/u/Pictures", "/home/u/Pictures/Work", "/mnt/nas/"])


@pytest.mark.parametrize(
    ("path", "root", "rel"),
    [
        ("/home/u/Pictures/a/b.jpg", "/home/u/Pictures", "a/b.jpg"),
        ("/home/u/Pictures/Work/b.jpg", "/home/u/Pictures/Work", "b.jpg"),
        ("/home/u/Pictures/Workshop/b.jpg", "/home/u/Pictures", "Workshop/b.jpg"),
        ("/home/u/Pictures", "/home/u/Pictures", ""),
        ("/mnt/nas/x\udcff.jpg", "/mnt/nas", "x\udcff.jpg"),
    ],
)
def test_a_path_belongs_to_the_innermost_root(path: str, root: str, rel: str) -> None:
    assert ROOTS.root_of(path) == root
    assert ROOTS.rel_path(path) == rel


@pytest.mark.parametrize("path", ["/", "/home/u", "/home/u/Pictures2/a.jpg", "relative.jpg", ""])
def test_a_path_elsewhere_belongs_to_no_root(path: str) -> None:
    assert ROOTS.root_of(path) is None
    with pytest.raises(ValueError, match="lies in no root"):
        ROOTS.rel_path(path)


def test_the_same_root_written_twice_is_one() -> None:
    assert list(Roots(["/a/b/", "/a/./b", "//a/b", "/a/c/../b"])) == ["/a/b"]


def test_inner_roots_are_those_below_at_any_depth() -> None:
    roots = Roots(["/a", "/a/b", "/a/b/c", "/ab"])
    assert roots.nested("/a") == {"/a/b", "/a/b/c"}
    assert roots.nested("/a/b") == {"/a/b/c"}
    assert roots.nested("/ab") == frozenset()


def test_the_whole_file_system_can_be_a_root() -> None:
    roots = Roots(["/", "/data"])
    assert roots.root_of("/x.jpg") == "/"
    assert roots.rel_path("/x/y.jpg") == "x/y.jpg"
    assert roots.root_of("/data/y.jpg") == "/data"
    assert roots.nested("/") == {"/data"}


def test_a_path_by_another_name_of_a_root_has_its_name_in_the_library() -> None:
    roots = Roots(["/home/me/Pictures", "/disk/Work"])
    assert roots.library_name("/mnt/data/Pictures/a.jpg") == "/mnt/data/Pictures/a.jpg"
    roots.learn_aliases({"/mnt/data/Pictures": "/home/me/Pictures", "/mnt/data/Pictures/w": "/disk/Work"})
    assert roots.library_name("/mnt/data/Pictures") == "/home/me/Pictures"
    assert roots.library_name("/mnt/data/Pictures/x/a.jpg") == "/home/me/Pictures/x/a.jpg"
    assert roots.library_name("/mnt/data/Pictures/w/a.jpg") == "/disk/Work/a.jpg"
    for path in ("/home/me/Pictures/a.jpg", "/mnt/data", "/mnt/data/PicturesOld/a.jpg", "/", "relative", ""):
        assert roots.library_name(path) == path
    roots.learn_aliases({})
    assert roots.library_name("/mnt/data/Pictures/x") == "/mnt/data/Pictures/x"
