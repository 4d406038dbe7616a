"""The index on disk: real LanceDB in a temporary directory."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phsearch.adapters import store_lance, store_rows
from phsearch.adapters.store_lance import LanceStore
from phsearch.domain.types import Failure, Fingerprint, ModelIdentity, Photo, PhotoInfo
from phsearch.errors import ModelMismatchError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.types import Vectors

IDENTITY = ModelIdentity("mini", "", "abc", "{}", 4)
INFO = PhotoInfo(640, 480, "JPEG", "2023-06-01T12:30:05.25+02:00", "Pixel 8", "wide", 48.85, 2.35)
ODD_NAMES = ["/r/it's.jpg", "/r/new\nline.jpg", "/r/花.jpg", "/r/100%25.jpg", os.fsdecode(b"/r/latin\xe9 %41.jpg")]


def photo(path: str, size: int = 1, at: float = 1.0) -> Photo:
    return Photo(path, "/r", Fingerprint(size, 1_700_000_000_123_456_789), b"d" * 16, INFO, at)


def vector(number: int) -> Vectors:
    found = np.random.default_rng(number).normal(size=4)
    return (found / np.linalg.norm(found)).astype(np.float16).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    store = LanceStore(tmp_path / "index", "mini")
    store.bind(IDENTITY)
    return store


def reopened(tmp_path: Path) -> LanceStore:
    return LanceStore(tmp_path / "index", "mini")


def content(store: LanceStore) -> dict[str, tuple[Photo, list[float]]]:
    photos, vectors = store.load()
    return {each.path: (each, row.tolist()) for each, row in zip(photos, vectors, strict=True)}


def test_photos_come_back_as_they_were_with_all_their_names_and_facts(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo(name), vector(row)) for row, name in enumerate(ODD_NAMES)], [])
    found = content(reopened(tmp_path))
    assert found == {name: (photo(name), vector(row).tolist()) for row, name in enumerate(ODD_NAMES)}


def test_an_empty_store_loads_as_nothing(tmp_path: Path) -> None:
    photos, vectors = LanceStore(tmp_path / "index", "mini").load()
    assert (photos, vectors.shape) == ([], (0, 0))


def test_upserts_replace_by_path_and_deletions_take_only_what_they_name(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo(name), vector(row)) for row, name in enumerate(ODD_NAMES)], [])
    store.apply([(photo(ODD_NAMES[1], size=2), vector(9)), (photo("/r/new.jpg"), vector(8))], ODD_NAMES[2:])
    found = content(reopened(tmp_path))
    assert sorted(found) == sorted([*ODD_NAMES[:2], "/r/new.jpg"])
    assert found[ODD_NAMES[1]] == (photo(ODD_NAMES[1], size=2), vector(9).tolist())


def test_deleting_what_is_not_there_writes_nothing(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))], [])
    before = sorted((tmp_path / "index").rglob("*"))
    store.apply([], ["/r/unknown"])
    store.apply_failures([], ["/r/unknown"])
    assert sorted((tmp_path / "index").rglob("*")) == before


def test_failures_come_back_and_are_forgotten(store: LanceStore, tmp_path: Path) -> None:
    failures = [Failure(name, Fingerprint(0, 5), "cannot \udcff", "v1", 2, 3.5) for name in ODD_NAMES]
    store.apply_failures(failures, [])
    found = reopened(tmp_path).load_failures()
    assert [dataclasses.replace(each, reason="") for each in found] == [
        dataclasses.replace(each, reason="") for each in failures
    ]
    store.apply_failures([], ODD_NAMES[:-1])
    assert [each.path for each in reopened(tmp_path).load_failures()] == ODD_NAMES[-1:]


def test_tidying_up_keeps_every_row(store: LanceStore, tmp_path: Path) -> None:
    for number in range(30):
        store.apply([(photo(f"/r/{number}"), vector(number))], [f"/r/{number - 10}"])
    before = content(store)
    store.tidy()
    assert content(store) == before == content(reopened(tmp_path))
    assert sorted(before) == sorted(f"/r/{number}" for number in range(20, 30))


def test_many_writes_make_the_store_untidy_until_it_is_tidied(store: LanceStore) -> None:
    for number in range(200):
        assert not store.untidy
        store.apply([(photo("/r/a", size=number), vector(number))], [])
    assert store.untidy
    store.tidy()
    assert not store.untidy


def test_an_index_of_other_weights_is_refused_with_a_remedy(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))], [])
    reopened(tmp_path).bind(IDENTITY)
    with pytest.raises(ModelMismatchError) as caught:
        reopened(tmp_path).bind(dataclasses.replace(IDENTITY, weights="xyz"))
    assert "--rebuild" in caught.value.hint


def test_each_model_has_its_own_table(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))], [])
    other = LanceStore(tmp_path / "index", "ViT-B-32/openai")
    other.bind(dataclasses.replace(IDENTITY, name="ViT-B-32", pretrained="openai", dim=8))
    assert other.load()[0] == []
    assert list(content(reopened(tmp_path))) == ["/r/a"]


def test_rows_that_a_crash_left_twice_are_mended_when_they_are_loaded(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a", size=1, at=1.0), vector(1)), (photo("/r/b"), vector(2))], [])
    store._keys.clear()  # as after an addition whose outcome was never learned
    store.apply([(photo("/r/a", size=2, at=2.0), vector(3))], [])
    expected = {
        "/r/a": (photo("/r/a", size=2, at=2.0), vector(3).tolist()),
        "/r/b": (photo("/r/b"), vector(2).tolist()),
    }
    assert content(reopened(tmp_path)) == expected
    photos, _ = reopened(tmp_path).load()
    assert len(photos) == 2


def test_an_index_of_a_newer_phsearch_is_refused_not_mangled(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))], [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_rows, "SCHEMA_VERSION", 0)
        with pytest.raises(StoreError, match="newer phsearch"):
            reopened(tmp_path)


def test_a_discarded_index_is_gone_and_can_be_made_anew(store: LanceStore, tmp_path: Path) -> None:
    store.apply([(photo("/r/a"), vector(1))], [])
    store_lance.discard(tmp_path / "index")
    store_lance.discard(tmp_path / "index")
    assert reopened(tmp_path).load()[0] == []
