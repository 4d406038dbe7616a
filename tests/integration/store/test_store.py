"""The index on disk: real LanceDB in a temporary directory."""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.store import deleted_vectors
from phsearch.adapters.store.table import Table
from phsearch.domain.types import Failure, Fingerprint, Volume
from phsearch.errors import ModelMismatchError, StoreError
from support.store.kit import IDENTITY, content, opened, photo, vector

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.adapters.store.lance import LanceStore

ODD_NAMES = ["/r/it's.jpg", "/r/new\nline.jpg", "/r/花.jpg", "/r/100%25.jpg", os.fsdecode(b"/r/latin\xe9 %41.jpg")]


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    return opened(tmp_path, IDENTITY)


def test_photos_come_back_as_they_were_with_all_their_names_and_facts(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo(name), vector(row)) for row, name in enumerate(ODD_NAMES)])
    found = content(opened(tmp_path))
    assert found == {name: (photo(name), vector(row).tolist()) for row, name in enumerate(ODD_NAMES)}


def test_an_empty_store_loads_as_nothing(tmp_path: Path) -> None:
    photos, vectors = opened(tmp_path).load()
    assert (photos, vectors.shape) == ([], (0, 0))


def test_upserts_replace_by_path_and_deletions_take_only_what_they_name(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo(name), vector(row)) for row, name in enumerate(ODD_NAMES)])
    store.apply([(photo(ODD_NAMES[1], size=2), vector(9)), (photo("/r/new.jpg"), vector(8))], deletes=ODD_NAMES[2:])
    found = content(opened(tmp_path))
    assert sorted(found) == sorted([*ODD_NAMES[:2], "/r/new.jpg"])
    assert found[ODD_NAMES[1]] == (photo(ODD_NAMES[1], size=2), vector(9).tolist())


def test_deleting_what_is_not_there_writes_nothing(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))])
    before = sorted((tmp_path / "index").rglob("*"))
    store.apply(deletes=["/r/unknown"])
    assert sorted((tmp_path / "index").rglob("*")) == before


def test_failures_come_back_and_are_forgotten(store: LanceStore, tmp_path: Path) -> None:
    digests = [b"e" * 16, None, None, None, bytes(16)]
    failures = [
        Failure(name, Fingerprint(0, 5), "cannot \udcff", "v1", 2, 3.5, digest)
        for name, digest in zip(ODD_NAMES, digests, strict=True)
    ]
    store.apply(failures=failures)
    found = opened(tmp_path).load_failures()
    assert [dataclasses.replace(each, reason="") for each in found] == [
        dataclasses.replace(each, reason="") for each in failures
    ]
    store.apply(deletes=ODD_NAMES[:-1])
    assert [each.path for each in opened(tmp_path).load_failures()] == ODD_NAMES[-1:]


def test_volumes_come_back_with_odd_names_and_the_newest_of_a_path_wins(store: LanceStore, tmp_path: Path) -> None:
    assert store.load_volumes() == []
    odd = Volume(ODD_NAMES[4], ODD_NAMES[2], "ext4 \udce9", 1.5)
    store.apply_volumes([odd, Volume("/r", "/r", "x", 1.0)], [])
    store.apply_volumes([Volume("/r", "/r", "ext4 1", 2.0), Volume("/gone", "/r", "x", 3.0)], [])
    store.apply_volumes([], ["/gone"])
    found = opened(tmp_path).load_volumes()
    assert sorted(found, key=lambda volume: volume.seen_at) == [odd, Volume("/r", "/r", "ext4 1", 2.0)]


def test_rows_on_disk_are_read_past_what_is_held_in_memory(store: LanceStore, tmp_path: Path) -> None:
    assert list(opened(tmp_path / "empty").rows()) == []
    store.apply([(photo(f"/r/{number}"), vector(number)) for number in range(5000)])
    assert len(content(store)) == 5000
    opened(tmp_path).apply([(photo("/r/new"), vector(7))])  # as if by another hand
    batches = list(store.rows())
    assert all(len(photos) == len(vectors) <= 4096 for photos, vectors in batches)
    found = {each.path: row for photos, vectors in batches for each, row in zip(photos, vectors, strict=True)}
    assert len(found) == 5001
    assert found["/r/new"].tolist() == vector(7).tolist()
    assert found["/r/4999"].tolist() == vector(4999).tolist()


def test_optimize_keeps_every_row(store: LanceStore, tmp_path: Path) -> None:
    for number in range(30):
        store.apply([(photo(f"/r/{number}"), vector(number))], deletes=[f"/r/{number - 10}"])
    before = content(store)
    store.optimize()
    assert content(store) == before == content(opened(tmp_path))
    assert sorted(before) == sorted(f"/r/{number}" for number in range(20, 30))


def test_many_writes_make_an_optimize_worth_its_time(store: LanceStore) -> None:
    for number in range(200):
        assert not store.needs_optimize
        store.apply([(photo("/r/a", size=number), vector(number))])
    assert store.needs_optimize
    store.optimize()
    assert not store.needs_optimize


def test_an_index_of_other_weights_is_refused_with_a_remedy(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))])
    opened(tmp_path).create_or_check(IDENTITY)
    with pytest.raises(ModelMismatchError) as caught:
        opened(tmp_path).create_or_check(dataclasses.replace(IDENTITY, weights="xyz"))
    assert "--rebuild" in caught.value.hint


def test_rows_that_a_crash_left_twice_are_mended_when_they_are_loaded(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a", size=1, at=1.0), vector(1)), (photo("/r/b"), vector(2))])
    store._model._keys.clear()  # as after an addition whose outcome was never learned
    store.apply([(photo("/r/a", size=2, at=2.0), vector(3))])
    expected = {
        "/r/a": (photo("/r/a", size=2, at=2.0), vector(3).tolist()),
        "/r/b": (photo("/r/b"), vector(2).tolist()),
    }
    assert content(opened(tmp_path)) == expected
    assert sum(len(photos) for photos, _ in opened(tmp_path).rows()) == 2


def test_a_batch_that_was_written_although_it_failed_is_not_there_twice_when_it_is_tried_again(
    store: LanceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_and_fail(table: Table, rows: object) -> None:
        add(table, rows)
        raise OSError(errno.EIO, "Input/output error")

    add = Table.add
    monkeypatch.setattr(Table, "add", add_and_fail)
    with pytest.raises(StoreError, match="Input/output error"):
        store.apply([(photo("/r/a"), vector(1))])
    monkeypatch.setattr(Table, "add", add)
    store.apply([(photo("/r/a"), vector(1))])
    assert sum(len(photos) for photos, _ in opened(tmp_path).rows()) == 1


def test_what_was_deleted_is_known_by_its_content_and_each_content_once(store: LanceStore, tmp_path: Path) -> None:
    same = [photo("/r/a"), dataclasses.replace(photo("/r/a"), path="/r/b")]
    other = dataclasses.replace(photo("/r/c"), digest=b"o" * 16)
    store.apply([(each, vector(row)) for row, each in enumerate([*same, other])])
    assert not store.deleted_vectors.has_digest(other.digest)
    store.apply(deletes=["/r/a", "/r/b", "/r/c"])
    for known in (store, opened(tmp_path)):
        assert known.deleted_vectors.has_digest(other.digest)
        found = known.deleted_vectors.find_digest(other.digest)
        assert found is not None
        assert (found[0], found[1].tolist()) == (other.info, vector(2).tolist())
        assert known.deleted_vectors.find_digest(b"unknown".ljust(16)) is None
    assert len(list((tmp_path / "index").glob("retired_*"))) == 1


def test_only_what_is_gone_is_kept_of_deleted_photos(
    store: LanceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [(photo(f"/r/a/{number}"), vector(number)) for number in range(30)]
    store.apply(photos)
    store.apply(deletes=[each.path for each, _ in photos[:5]])
    moved = [(dataclasses.replace(each, path=f"/r/b/{each.path}"), row) for each, row in photos[5:]]
    monkeypatch.setattr(deleted_vectors, "_MOST", 5)
    store.apply(moved[:10], deletes=[each.path for each, _ in photos[5:15]])
    store.apply(moved[10:])
    present = {each.digest for each, _ in moved}
    store.apply(deletes=[each.path for each, _ in photos[15:]], is_present=present.__contains__)
    store.optimize()
    for known in (store, opened(tmp_path)):
        assert [known.deleted_vectors.has_digest(each.digest) for each, _ in photos] == [True] * 5 + [False] * 25
    back = [(dataclasses.replace(photos[0][0], path="/r/back"), photos[0][1])]
    store.apply(back)
    for known in (store, opened(tmp_path)):
        assert not known.deleted_vectors.has_digest(photos[0][0].digest), "it has a photo again"
        assert known.deleted_vectors.has_digest(photos[1][0].digest)


def test_what_was_deleted_is_forgotten_when_it_is_old_or_too_much(
    store: LanceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [dataclasses.replace(photo(f"/r/{number}"), digest=bytes([number] * 16)) for number in range(4)]
    store.apply([(each, vector(row)) for row, each in enumerate(photos)])
    for each in photos:
        store.apply(deletes=[each.path])
    monkeypatch.setattr(deleted_vectors, "_MOST", 3)
    assert [opened(tmp_path).deleted_vectors.has_digest(each.digest) for each in photos] == [False, True, True, True]
    monkeypatch.setattr(deleted_vectors, "_SECONDS", -1.0)
    assert not any(opened(tmp_path).deleted_vectors.has_digest(each.digest) for each in photos)
    monkeypatch.undo()
    assert not any(opened(tmp_path).deleted_vectors.has_digest(each.digest) for each in photos), (
        "it is gone from the disk, too"
    )


def test_a_content_is_found_by_the_path_it_has_and_not_by_one_that_has_another_now(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(photo("/r/a"), vector(1)), (photo("/r/b"), vector(2))])
    found = store.find_content("/r/a", photo("/r/a").digest)
    assert found is not None
    assert found[1].tolist() == vector(1).tolist()
    assert store.find_content("/r/c", photo("/r/a").digest) is None
    store.apply([(dataclasses.replace(photo("/r/a"), digest=b"another".ljust(16)), vector(3))])
    assert store.find_content("/r/a", photo("/r/a").digest) is None


def test_a_state_folder_whose_name_lancedb_does_not_take_is_said_and_no_disk_blamed(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        opened(tmp_path / "state\x1b[41m", IDENTITY)
    assert caught.value.hint.endswith("choose another --state-dir")
