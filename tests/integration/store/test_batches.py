"""The index is loaded some thousand rows at a time, and what comes of it is the same as of all rows at once."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phsearch.adapters.store import table as store_table
from phsearch.daemon.compose_index import load_index
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.errors import StoreError
from support.store.kit import IDENTITY, PHOTOS, content, failure, opened, photo, vector

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.types import Photo, Vectors

ODD = os.fsdecode(b"/r/latin\xe9.jpg")


@pytest.fixture(params=[1, 3, 4_096])
def batch_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Set the number of rows that are read at a time."""
    monkeypatch.setattr(store_table, "_BATCH_ROWS", request.param)
    return int(request.param)


@pytest.mark.usefixtures("batch_rows")
def test_every_row_is_read_once_whatever_writes_made_the_table(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    assert content(opened(tmp_path)) == {}
    written: dict[str, tuple[Photo, Vectors]] = {}
    for number in range(4):
        names = [f"/r/{number}-{each}" for each in range(5)] + [f"/r/{number - 1}-0"]
        gone = [f"/r/{number - 1}-{each}" for each in (1, 3)]
        rows = {name: (photo(name, size=number), vector(number)) for name in names}
        store.apply(rows.values(), deletes=gone)
        written = {path: row for path, row in (written | rows).items() if path not in gone}
        if number == 2:
            store.optimize()
    assert content(opened(tmp_path)) == {path: (each, row.tolist()) for path, (each, row) in written.items()}
    assert sum(len(photos) for photos, _ in opened(tmp_path).rows()) == len(written)


@pytest.mark.usefixtures("batch_rows")
def test_damage_after_rows_that_could_be_read_makes_no_mixture_of_two_versions(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(photo(f"/r/{number}"), vector(number)) for number in range(8)])
    before, known = content(opened(tmp_path)), set(files(tmp_path))
    store.apply([(photo("/r/0", size=2), vector(9)), (photo("/r/new"), vector(9))], deletes=["/r/1"])
    for file in set(files(tmp_path)) - known:
        os.truncate(file, file.stat().st_size // 2)
    found = content(opened(tmp_path))
    assert found == before


def files(state: Path) -> list[Path]:
    return list((state / "index" / f"{PHOTOS}.lance" / "data").iterdir())


def test_a_table_that_yields_fewer_rows_than_it_counts_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(photo("/r/a"), vector(1))])
    batches = store_table._batches
    monkeypatch.setattr(store_table, "_batches", lambda table, count: batches(table, count + 1))
    with pytest.raises(StoreError, match="1 of 2 rows are missing"):
        opened(tmp_path).load()


@pytest.mark.usefixtures("batch_rows")
def test_library_matrix_and_columns_are_those_of_the_rows_inside_the_roots(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    paths = [f"/r/{number}" for number in range(7)] + [ODD, "/gone/a", "/r/in/b", "/gone/c", "/r/in/d", "/r/z"]
    photos = {path: (photo(path), vector(row)) for row, path in enumerate(paths)}
    photos["/r/6"] = (dataclasses.replace(photos["/r/6"][0], digest=photos["/r/5"][0].digest), vector(5))
    store.apply(photos.values(), failures=[failure("/r/bad"), failure("/gone/bad"), failure("/away/bad")])
    store._model._keys.clear()  # as after an addition whose outcome was never learned
    photos["/r/2"] = (photo("/r/2", size=2, at=2.0), vector(99))
    store.apply([photos["/r/2"]])

    loaded = load_index(opened(tmp_path), Roots(["/r", "/r/in"]))

    inside: dict[str, Photo] = {}
    expected = VectorIndex()
    for path, (each, row) in photos.items():
        if path.startswith("/r/"):
            inside[path] = dataclasses.replace(each, root="/r/in" if path.startswith("/r/in/") else "/r")
            expected.put_vector(inside[path], row)
    assert {each.path: each for each in loaded.library.photos()} == inside
    assert [loaded.library.count(root) for root in ("/r", "/r/in")] == [9, 2]
    assert set(loaded.library.copies(photos["/r/5"][0].digest)) == {"/r/5", "/r/6"}
    assert [each.path for each in loaded.library.failures()] == ["/r/bad"]
    assert set(loaded.outside) == {
        ("/gone/a", "/r"),
        ("/gone/c", "/r"),
        ("/gone/bad", "/gone"),
        ("/away/bad", "/away"),
    }
    assert loaded.unrooted == {photos[path][0].digest: path for path in ("/gone/a", "/gone/c")}
    assert sorted(loaded.index.paths()) == sorted(inside)
    np.testing.assert_array_equal(loaded.index.vectors(list(inside)), expected.vectors(list(inside)))
    for path, each in inside.items():
        ours, theirs = loaded.index.row(path), expected.row(path)
        assert ours is not None
        assert theirs is not None
        assert loaded.index.photo(ours) == each
        for name in ("taken", "indexed", "sequence", "lat", "lon", "bytes", "width", "height"):
            assert loaded.index.columns[name][ours] == expected.columns[name][theirs]
        assert loaded.index.columns.folders.listed()[loaded.index.columns["folder"][ours]] == path.rpartition("/")[0]


@pytest.mark.usefixtures("batch_rows")
def test_what_was_loaded_can_be_changed_as_before(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(photo(f"/{root}/{number}"), vector(number)) for root in ("r", "gone") for number in range(6)])
    index = load_index(store, Roots(["/r"])).index
    index.remove_path("/r/0")
    index.put_vectors([photo("/r/1"), photo("/r/new")], [vector(7), vector(8)])
    wanted = {"/r/1": 7, "/r/2": 2, "/r/3": 3, "/r/4": 4, "/r/5": 5, "/r/new": 8}
    assert sorted(index.paths()) == sorted(wanted)
    np.testing.assert_array_equal(index.vectors(list(wanted)), np.stack([vector(each) for each in wanted.values()]))


def test_photos_share_the_values_that_many_of_them_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_table, "_BATCH_ROWS", 2)
    opened(tmp_path, IDENTITY).apply([(photo(f"/r/{number}"), vector(number)) for number in range(5)])
    photos, _ = opened(tmp_path).load()
    for values in ([each.root for each in photos], [each.info.camera for each in photos]):
        assert len({id(value) for value in values}) == 1
