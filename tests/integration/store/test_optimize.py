"""What the index takes on disk stays in proportion to what is in it, however often that changes."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import lancedb

from phsearch.adapters.store import deleted_vectors, lance, table
from phsearch.adapters.store.lance import LanceStore
from support.store.kit import IDENTITY, PHOTOS, content, failure, former_tables, opened, photo, vector

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from phsearch.domain.types import Photo


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_KEPT_VERSIONS", timedelta(milliseconds=1))


def numbered(number: int) -> Photo:
    return dataclasses.replace(photo(f"/r/{number}"), digest=number.to_bytes(16, "big"))


def versions(state: Path) -> int:
    return len(list((state / "index").rglob("*.manifest")))


def fragments(state: Path) -> int:
    tables = lancedb.connect(state / "index")
    stats = [tables.open_table(folder.stem).stats() for folder in (state / "index").glob("*.lance")]
    return sum(each["fragment_stats"]["num_fragments"] for each in stats)  # type: ignore[index]


def test_sixty_small_writes_leave_no_more_behind_than_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    monkeypatch.setattr(lance, "_WRITES_BEFORE_OPTIMIZE", 20)
    store = opened(tmp_path, IDENTITY)
    most_files = 0
    for number in range(60):
        store.apply([(numbered(number), vector(number))], deletes=[f"/r/{number - 5}"])
        if number % 5 == 0:
            store.apply(failures=[failure(f"/r/bad {number}")], deletes=[f"/r/bad {number - 5}"])
        if store.needs_optimize:
            store.optimize()
        most_files = max(most_files, sum(1 for _ in (tmp_path / "index").rglob("*")))
    store.optimize()
    assert (versions(tmp_path), fragments(tmp_path)) == (3, 3)
    assert most_files < 400, "about a dozen a write, for the twenty writes between two calls of `optimize`"
    assert sorted(content(opened(tmp_path))) == sorted(f"/r/{number}" for number in range(55, 60))


def test_versions_that_are_too_young_to_be_dropped_are_reported_and_dropped_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path, IDENTITY)
    for number in range(5):
        store.apply([(numbered(number), vector(number))])
    assert store.optimize() == 600
    at_once(monkeypatch)
    assert store.optimize() is None
    assert versions(tmp_path) == 1


def test_optimizing_an_optimized_index_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    store = opened(tmp_path, IDENTITY)
    store.apply([(numbered(number), vector(number)) for number in range(5)])
    store.apply(deletes=["/r/1"])
    store.optimize()

    def files() -> dict[str, int]:
        return {str(file): file.stat().st_mtime_ns for file in tmp_path.rglob("*")}

    before = files()
    store.optimize()
    opened(tmp_path).optimize()
    assert files() == before


def test_files_that_a_kill_left_behind_are_removed_by_the_next_optimize(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(numbered(1), vector(1))])
    data = next((tmp_path / "index").glob("photos_*.lance/data"))
    orphan = data / "0123456789abcdef.lance"
    orphan.write_bytes(b"rows that are never read")
    reopened = opened(tmp_path)
    reopened.optimize()
    assert not orphan.exists()
    assert list(content(reopened)) == ["/r/1"]


def test_what_is_remembered_of_deleted_photos_stays_bounded_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleted_vectors, "_MOST", 3)
    store = opened(tmp_path, IDENTITY)
    store.apply([(numbered(number), vector(number)) for number in range(10)])
    for number in range(8):
        store.apply(deletes=[f"/r/{number}"])
    store.optimize()
    digests = [numbered(number).digest for number in range(8)]
    for known in (store, opened(tmp_path)):
        assert [digest for digest in digests if known.deleted_vectors.has_digest(digest)] == digests[5:]
        assert known.deleted_vectors.find_digest(digests[0]) is None
        assert known.deleted_vectors.find_digest(digests[7]) is not None


def test_tables_of_former_models_are_named_with_their_size(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(numbered(1), vector(1))])
    assert former_tables(store) == {}
    other = LanceStore(folder=tmp_path / "index", name="ViT-B-32", pretrained="openai")
    assert list(former_tables(other)) == [PHOTOS]
    assert former_tables(other)[PHOTOS] > 1000
