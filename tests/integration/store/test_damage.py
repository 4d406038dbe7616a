"""Files of the index that are missing, empty, cut short or not ours, as power failures and failing disks leave them."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from phsearch.adapters.store import photo_tables, table_files
from phsearch.adapters.store import table as store_table
from phsearch.adapters.store.errors import translate_errors
from phsearch.adapters.store.model_tables import discard_model
from phsearch.domain.types import Volume
from phsearch.errors import StoreError
from support.store.kit import IDENTITY, PHOTOS, bytes_below, content, failure, opened, photo, vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from phsearch.adapters.store.lance import LanceStore
    from support.store.kit import Content

DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: os.truncate(file, 0),
    "half": lambda file: os.truncate(file, file.stat().st_size // 2),
}
CASES = 40
"""Of some 160; all of them were tried: 138 times the rows were whole, 18 times those of an older version."""


class History:
    """A store and every row that was ever written to it."""

    def __init__(self, state: Path) -> None:
        self.store = opened(state, IDENTITY)
        self.written: set[tuple[object, ...]] = set()
        self._number = 0

    def apply(self, upserts: list[str], deletes: Sequence[str] = ()) -> None:
        batch = []
        for path in upserts:
            self._number += 1
            batch.append((photo(path, size=self._number, at=float(self._number)), vector(self._number)))
            self.written.add((batch[-1][0], *batch[-1][1].tolist()))
        self.store.apply(batch, deletes=deletes)

    def holds(self, found: Content) -> bool:
        return {(each, *row) for each, row in found.values()} <= self.written


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History]:
    """Make an index with everything a table can have: fragments, deletions, versions, a look-up index."""
    state = tmp_path_factory.mktemp("history")
    history = History(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_tables, "_INDEXED_ROWS", 1)
        for number in range(3):
            history.apply([f"/r/{number}-{each}" for each in range(8)], deletes=[f"/r/{number - 1}-0"])
        history.store.apply(failures=[failure("/r/bad")])
        history.store.apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
        history.store.optimize()
        history.apply(["/r/0-1", "/r/new"], deletes=["/r/1-1"])
        history.apply(["/r/newer"])
    return state, history


def test_whatever_file_is_damaged_the_rows_are_right_or_the_damage_is_named(
    history: tuple[Path, History], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "_sync", lambda _: None)  # every copy would be synchronised in whole
    state, known = history
    files = sorted(file.relative_to(state) for file in state.rglob("*") if file.is_file())
    cases = [(file, damage) for file in files for damage in DAMAGES]
    outcomes: Counter[str] = Counter()
    for file, damage in random.Random(7).sample(cases, min(CASES, len(cases))):
        copy = tmp_path / "copy"
        shutil.copytree(state, copy)
        DAMAGES[damage](copy / file)
        outcomes[result(copy, known)] += 1
        shutil.rmtree(copy)
    assert outcomes.keys() <= {"whole", "older", "refused"}
    assert outcomes["whole"] > CASES / 2


def result(state: Path, known: History) -> str:
    try:
        store = opened(state)
        found = content(store)
        store.load_failures()
        store.load_volumes()
    except StoreError as error:
        return "refused" if "phsearchd --rebuild" in error.hint else error.sentence()
    assert known.holds(found)
    # What could be read goes on as if nothing had been: each kind of write, an `optimize`, another start.
    store.create_or_check(IDENTITY)
    fresh = [(photo("/r/0-1", 99), vector(99)), (photo("/r/after", 99), vector(100))]
    store.apply(fresh, deletes=["/r/0-2"])
    store.apply(failures=[failure("/r/bad2")], deletes=["/r/bad"])
    store.optimize()
    found = {path: row for path, row in found.items() if path not in {"/r/0-1", "/r/0-2"}}
    expected = found | {each.path: (each, row.tolist()) for each, row in fresh}
    again = opened(state)
    assert content(again) == expected
    assert [each.path for each in again.load_failures()] == ["/r/bad2"]
    return "whole" if "/r/newer" in expected else "older"


def test_a_power_failure_during_a_write_costs_that_write_at_most(tmp_path: Path) -> None:
    chance = random.Random(3)
    for trial in range(15):
        state = tmp_path / str(trial)
        history = History(state)
        history.apply(["/r/a", "/r/b", "/r/c"])
        history.apply(["/r/d", "/r/a"], deletes=["/r/b"])
        before, files_before = content(opened(state)), bytes_below(state)
        history.apply(["/r/a", "/r/e"], deletes=["/r/c"])
        after = content(opened(state))
        for name in sorted(bytes_below(state).keys() - files_before.keys()):
            if chance.random() < 0.5:
                DAMAGES[chance.choice(list(DAMAGES))](state / name)
        found = content(opened(state))
        # Addition, merge and deletion are three versions; whichever is the newest, no acknowledged row is missing.
        assert found.keys() >= before.keys() & after.keys()
        assert all(row in (before.get(path), after.get(path)) for path, row in found.items())
        shutil.rmtree(state)


def test_what_is_acknowledged_is_on_the_disk_and_nothing_goes_before_its_successor_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced, present = table_files._sync, set[str](), set[str]()

    def sync(path: str) -> None:
        present.update(needed(tmp_path))
        synced.add(path)
        real(path)

    monkeypatch.setattr(table_files, "_sync", sync)
    monkeypatch.setattr(photo_tables, "_INDEXED_ROWS", 1)
    history = History(tmp_path)
    store, index = history.store, tmp_path / "index"
    for number in range(4):
        history.apply(["/r/a", f"/r/{number}"], deletes=[f"/r/{number - 1}"])
        assert needed(tmp_path) <= synced
    store.apply(failures=[failure("/r/bad")])
    store.apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    assert needed(tmp_path) <= synced
    assert {str(folder) for folder in (tmp_path, index, index / f"{PHOTOS}.lance", index / "volumes.lance")} <= synced
    assert {str(index / f"{PHOTOS}.lance" / part) for part in ("data", "_versions", "_deletions")} <= synced
    before = needed(tmp_path)
    time.sleep(0.01)
    monkeypatch.setattr(store_table, "_KEPT_VERSIONS", timedelta(milliseconds=1))
    present.clear()
    store.optimize()
    assert needed(tmp_path) <= synced
    assert len(needed(tmp_path)) < len(before)
    assert before <= present


def needed(state: Path) -> set[str]:
    """Return the files that are read when the index is loaded or written."""
    parts = {"data", "_deletions", "_versions", "_indices"}
    every = (file for file in state.rglob("*") if file.is_file() and file.suffix != ".json")
    return {str(file) for file in every if parts & set(file.parts)}


def test_stepping_back_is_said_once_and_lasts(
    history: tuple[Path, History], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(history[0], tmp_path, dirs_exist_ok=True)
    manifests(tmp_path)[0].write_bytes(b"")
    found = content(opened(tmp_path))
    assert "/r/newer" not in found
    assert "/r/new" in found
    assert content(opened(tmp_path)) == found
    (warning,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert "will be found again" in warning.getMessage()
    assert not [name for name in bytes_below(tmp_path) if name.endswith(".damaged")]


def test_a_damaged_file_that_many_versions_share_is_found_out_in_few_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "_sync", lambda _: None)
    history = History(tmp_path)
    history.apply(["/r/first"])
    damaged = set((tmp_path / "index" / f"{PHOTOS}.lance" / "data").iterdir())
    for number in range(60):
        history.apply([f"/r/{number}"])
    for file in damaged:
        file.unlink()
    tries = []
    attempt = store_table.Table._collect_rows

    def counted(table: store_table.Table, collect: Any) -> object:
        tries.append(table)
        return attempt(table, collect)

    monkeypatch.setattr(store_table.Table, "_collect_rows", counted)
    assert content(opened(tmp_path)) == {}
    assert 16 < len(tries) < 25


def manifests(state: Path) -> list[Path]:
    return sorted((state / "index" / f"{PHOTOS}.lance" / "_versions").glob("*.manifest"))


@pytest.mark.parametrize("gone", ["_versions", "data"])
def test_an_index_of_which_half_the_folders_are_gone_is_named_and_can_be_rebuilt(
    history: tuple[Path, History], tmp_path: Path, gone: str
) -> None:
    shutil.copytree(history[0], tmp_path, dirs_exist_ok=True)
    for manifest in manifests(tmp_path)[-2:]:
        manifest.unlink()  # as `optimize` does after a while: the empty table of the beginning is no help
    shutil.rmtree(tmp_path / "index" / f"{PHOTOS}.lance" / gone)
    before = bytes_below(tmp_path)
    with pytest.raises(StoreError, match="index") as caught:
        opened(tmp_path).load()
    assert "phsearchd --rebuild" in caught.value.hint
    assert ".rs" not in caught.value.sentence()
    assert bytes_below(tmp_path) == before
    discard_model(tmp_path / "index", name="mini", pretrained="")
    assert content(opened(tmp_path, IDENTITY)) == {}


@pytest.mark.parametrize("table", ["errors", "volumes"])
def test_a_ruined_small_table_is_started_again_and_costs_no_photo(
    history: tuple[Path, History], tmp_path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(history[0], tmp_path, dirs_exist_ok=True)
    for file in (tmp_path / "index" / f"{table}.lance").rglob("*.*"):
        os.truncate(file, 0)
    store = opened(tmp_path)
    assert len(content(store)) == len(content(opened(history[0])))
    store.apply(failures=[failure("/r/other")])
    store.apply_volumes([Volume("/other", "/r", "x", 1.0)], [])
    assert "begins anew" in caplog.text
    again = opened(tmp_path)
    assert failure("/r/other") in again.load_failures()
    assert Volume("/other", "/r", "x", 1.0) in again.load_volumes()


def test_stray_files_and_a_table_whose_making_was_cut_short_do_no_harm(tmp_path: Path) -> None:
    index = tmp_path / "index"
    for folder in ("empty.lance", "volumes.lance/_transactions", f"{PHOTOS}.lance/_versions", "errors.lance/data"):
        (index / folder).mkdir(parents=True)
    (index / f"{PHOTOS}.lance" / "_versions" / "18446744073709551614.manifest").touch()
    (index / "notes.txt").write_text("hello")
    store = opened(tmp_path, IDENTITY)
    store.apply([(photo("/r/a"), vector(1))])
    store.apply(failures=[failure("/r/bad")])
    photos = index / f"{PHOTOS}.lance"
    strays = [photos / "notes.txt", photos / "data" / "notes.txt", photos / "_versions" / "notes.txt"]
    killed = [photos / "data" / ".tmpAbCdE", photos / "_versions" / "18446744073709551000.manifest#1"]
    for file in (*strays, *killed):
        file.write_bytes(b"x" * 100)
    again = opened(tmp_path)
    assert list(content(again)) == ["/r/a"]
    assert again.load_failures() == [failure("/r/bad")]
    again.optimize()
    assert list(content(again)) == ["/r/a"]
    assert not any(file.exists() for file in killed)


def test_a_file_in_the_place_of_the_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot"):
        opened(tmp_path, IDENTITY)


def test_files_that_no_version_knows_are_removed_by_optimize(history: tuple[Path, History], tmp_path: Path) -> None:
    shutil.copytree(history[0], tmp_path, dirs_exist_ok=True)
    data = tmp_path / "index" / f"{PHOTOS}.lance" / "data"
    orphan = data / "0000000000000000000000001234567890abcdef1234567890.lance"
    shutil.copy(next(data.glob("*.lance")), orphan)
    store = opened(tmp_path)
    before = content(store)
    store.optimize()
    assert not orphan.exists()
    assert content(opened(tmp_path)) == before


def test_a_disk_that_cannot_be_reached_is_not_taken_for_damage(
    history: tuple[Path, History], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(history[0], tmp_path, dirs_exist_ok=True)
    before = bytes_below(tmp_path)

    def unreachable(_: object) -> None:
        raise RuntimeError("lance error: LanceError(IO): Generic error (os error 5), /root/.cargo/x/lib.rs:1:2")

    monkeypatch.setattr(store_table.Table, "_connected", unreachable)
    with pytest.raises(StoreError, match="Input/output error") as caught:
        opened(tmp_path)
    assert "--rebuild" not in caught.value.sentence()
    assert bytes_below(tmp_path) == before


class PanicException(BaseException):
    """What pyo3 makes of a panic in Rust: no Exception."""


def test_a_panic_in_rust_is_an_error_of_the_store_and_being_told_to_stop_is_not(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="boom") as caught, translate_errors(tmp_path, "read"):
        raise PanicException("boom")
    assert "--rebuild" in caught.value.hint
    with pytest.raises(KeyboardInterrupt), translate_errors(tmp_path, "read"):
        raise KeyboardInterrupt


def test_rows_are_read_in_whole_or_the_damage_is_named(history: tuple[Path, History], tmp_path: Path) -> None:
    shutil.copytree(history[0], tmp_path, dirs_exist_ok=True)
    store: LanceStore = opened(tmp_path)
    assert sum(len(photos) for photos, _ in store.rows()) == len(content(store))
    for file in (tmp_path / "index" / f"{PHOTOS}.lance" / "data").iterdir():
        os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(StoreError, match="read"):
        list(store.rows())
