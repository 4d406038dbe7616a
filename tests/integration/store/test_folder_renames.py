"""A folder of photos is renamed on the disk by itself: no vector passes through the daemon."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from phsearch.adapters.store import photo_tables
from phsearch.domain.types import FolderRename
from phsearch.errors import StoreError
from phsearch.service.indexing.store_writer import StoreWriter
from phsearch.service.threads import SerialExecutor
from support.store.kit import IDENTITY, content, failure, opened, photo, vector

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.adapters.store.lance import LanceStore
    from phsearch.domain.types import Photo

NAMES = [
    "1.jpg", "deep/er/2.jpg", "it's.jpg", "100%_.jpg", "日本/ü.jpg", 'a"b\\c.jpg', os.fsdecode(b"odd\xff.jpg"),
    os.fsdecode(b"odd\xfe/x.jpg"), "new\nline.jpg",
]  # fmt: skip
SOURCES = ["/r/a", "/r/it's", "/r/100%_", "/r/日本 ü", '/r/q"b']


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    return opened(tmp_path, IDENTITY)


@pytest.mark.parametrize("at_once", [2, 4_096])
@pytest.mark.parametrize("source", SOURCES)
def test_every_photo_in_the_folder_has_its_new_path_and_all_else(
    store: LanceStore, tmp_path: Path, source: str, at_once: int
) -> None:
    inside = [photo(f"{source}/{name}") for name in NAMES]
    outside = [photo("/r/other.jpg"), photo(f"{source}b/1.jpg"), photo("/r/b/" + NAMES[0])]
    store.apply([(each, vector(number)) for number, each in enumerate([*inside, *outside])])
    before = content(store)
    rename = FolderRename(source, "/r/new ü's", "/r/new root")
    assert store.can_rename(rename)
    with mock.patch.object(photo_tables, "_RENAMED_AT_ONCE", at_once):
        store.rename_folder(rename)
    expected = {
        rename.new_path(path): (dataclasses.replace(each, path=rename.new_path(path), root=rename.root), row)
        if path.startswith(f"{source}/")
        else (each, row)
        for path, (each, row) in before.items()
    }
    assert content(store) == content(opened(tmp_path)) == expected
    store.apply(deletes=list(expected))
    assert content(opened(tmp_path)) == {}, "it knows the new paths"


def test_a_photo_that_was_known_at_the_new_path_is_replaced(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a/1", size=1), vector(1)), (photo("/r/b/1", size=2), vector(2))])
    store.rename_folder(FolderRename("/r/a", "/r/b", "/r"))
    assert {path: each.fingerprint.size for path, (each, _) in content(opened(tmp_path)).items()} == {"/r/b/1": 1}


def test_a_name_that_is_no_text_is_left_to_its_photos(store: LanceStore) -> None:
    odd = os.fsdecode(b"/r/odd\xff")
    assert not store.can_rename(FolderRename("/r/a", odd, "/r"))
    assert not store.can_rename(FolderRename(odd, "/r/a", "/r"))


def test_what_is_not_written_yet_is_written_under_its_new_path(store: LanceStore, tmp_path: Path) -> None:
    def renamed(each: Photo) -> Photo:
        return dataclasses.replace(each, path=each.path.replace("/a/", "/b/"))

    async def scenario() -> None:
        executor = SerialExecutor("store")
        writer = StoreWriter(store=store, executor=executor, idle=lambda: True)
        store.apply([(photo(f"/r/a/{name}"), vector(1)) for name in ("kept", "changed", "deleted")])
        changed, new, later = photo("/r/a/changed", size=7), photo("/r/a/new"), photo("/r/a/later")
        writer.put_photo(changed, vector(2))
        writer.put_photo(new, vector(3))
        writer.delete_photo("/r/a/deleted")
        writer.put_failure(failure("/r/a/bad"))
        assert writer.rename_folder(FolderRename("/r/a", "/r/b", "/r"))
        writer.put_photo(later, vector(4))
        with mock.patch.object(store, "apply", side_effect=StoreError("no space left")), pytest.raises(StoreError):
            await writer.flush()
        assert writer.pending == 5
        await writer.flush()
        found = {path: each for path, (each, _) in content(opened(tmp_path)).items()}
        expected = [renamed(photo("/r/a/kept")), renamed(changed), renamed(new), later]
        assert found == {each.path: each for each in expected}
        executor.close()

    asyncio.run(scenario())


def test_a_folder_that_is_renamed_while_a_batch_fails_is_renamed_after_it(store: LanceStore, tmp_path: Path) -> None:
    async def scenario() -> None:
        executor = SerialExecutor("store")
        writer = StoreWriter(store=store, executor=executor, idle=lambda: True)
        writer.put_photo(photo("/r/a/1"), vector(1))

        def fails(*_: Any, **__: Any) -> None:
            raise StoreError("no space left")

        with mock.patch.object(store, "apply", fails):
            flushing = asyncio.ensure_future(writer.flush())
            await asyncio.sleep(0)
            assert writer.rename_folder(FolderRename("/r/a", "/r/b", "/r"))
            with pytest.raises(StoreError):
                await flushing
        await writer.flush()
        assert content(opened(tmp_path)).keys() == {"/r/b/1"}
        executor.close()

    asyncio.run(scenario())
