"""What lies below a folder is found at any depth, and only that."""

from __future__ import annotations

import random

import pytest

from phsearch.domain.library import FolderIndex


def indexed(*paths: str) -> FolderIndex:
    index = FolderIndex()
    for path in paths:
        index.add_path(path)
    return index


def test_files_below_a_folder_are_those_of_its_folders_and_not_of_one_that_is_called_alike() -> None:
    index = indexed("/p/a/1.jpg", "/p/a/deep/er/2.jpg", "/p/ab/3.jpg", "/p/4.jpg")
    assert sorted(index.under("/p/a")) == ["/p/a/1.jpg", "/p/a/deep/er/2.jpg"]
    assert sorted(index.under("/p/a/")) == ["/p/a/1.jpg", "/p/a/deep/er/2.jpg"]
    assert len(list(index.under("/"))) == 4
    assert list(index.under("/p/a/1.jpg")) == []


def test_a_folder_without_files_is_forgotten_with_all_above_it() -> None:
    index = indexed("/p/a/deep/er/2.jpg")
    index.discard_path("/p/a/deep/er/2.jpg")
    index.discard_path("/p/never/there.jpg")
    assert (index._files, index._folders) == ({}, {})


@pytest.mark.parametrize("seed", range(20))
def test_it_knows_what_a_plain_set_of_paths_knows(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"/{'/'.join(chance.choices('abc', k=chance.randrange(1, 5)))}/{number}" for number in range(30)]
    names += ["/top"]
    index, plain = FolderIndex(), set[str]()
    for _ in range(300):
        path = chance.choice(names)
        if path in plain:
            index.discard_path(path)
            plain.discard(path)
        else:
            index.add_path(path)
            plain.add(path)
        folder = chance.choice(["/", "/a", "/a/b", "/b", "/c/a", "/a/b/c"])
        assert set(index.under(folder)) == {each for each in plain if each.startswith(folder.rstrip("/") + "/")}
    assert {path for _, files in index.items() for path in files} == plain
