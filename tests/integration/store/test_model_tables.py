"""Which tables are a model's: by its identity, whatever they are called and however damaged they are."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import lancedb
import pytest

from phsearch.adapters.store.lance import LanceStore
from phsearch.adapters.store.model_tables import discard_model
from phsearch.adapters.store.table_names import former_name, table_name
from phsearch.domain.types import ModelIdentity, Volume
from phsearch.errors import ModelMismatchError, StoreError
from support.store.kit import IDENTITY, PHOTOS, bytes_below, content, failure, former_tables, opened, photo, vector
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RETIRED = table_name("retired", IDENTITY)
OTHER_WEIGHTS = dataclasses.replace(IDENTITY, weights="xyz")
ALIKE = [
    ("local-dir:/models/b32-256", "local-dir:/models/b32/256"),
    ("模型", "模型二"),
    ("local-dir:/models/é", "local-dir:/models/è"),
]
DELETED = photo("/r/deleted")


def store_for(state: Path, identity: ModelIdentity, *, expected: bool = False) -> LanceStore:
    return LanceStore(
        folder=state / "index",
        name=identity.name,
        pretrained=identity.pretrained,
        expected=identity if expected else None,
    )


def fill(state: Path, identity: ModelIdentity, *paths: str) -> None:
    """Index these photos and one more, which is deleted."""
    store = store_for(state, identity)
    store.load()
    store.create_or_check(identity)
    store.apply([(photo(path), vector(1)) for path in paths])
    store.apply([(DELETED, vector(2))])
    store.apply(deletes=[DELETED.path])
    store.close()


def call_as_before(state: Path, identity: ModelIdentity) -> None:
    """Give the tables of this model the names that an older phsearch gave them."""
    for kind in ("photos", "retired"):
        former = former_name(kind, identity.name, identity.pretrained)
        (state / "index" / f"{table_name(kind, identity)}.lance").rename(state / "index" / f"{former}.lance")


def tables(state: Path) -> list[str]:
    return sorted(entry.stem for entry in (state / "index").glob("*.lance"))


def assert_everything_is_there(store: LanceStore, *paths: str) -> None:
    assert sorted(content(store)) == sorted(paths)
    assert store.deleted_vectors.has_digest(DELETED.digest)
    assert store.deleted_vectors.find_digest(DELETED.digest) is not None


# --- models whose names look alike --------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "another"), ALIKE)
def test_models_whose_names_look_alike_keep_out_of_each_others_way(tmp_path: Path, one: str, another: str) -> None:
    first, second = (dataclasses.replace(IDENTITY, name=name) for name in (one, another))
    fill(tmp_path, first, "/r/first")
    fill(tmp_path, second, "/r/second")
    assert len(tables(tmp_path)) == 4
    with pytest.raises(ModelMismatchError) as caught:
        store_for(tmp_path, first).create_or_check(dataclasses.replace(first, weights="xyz"))
    assert f'"{one}"' in str(caught.value)
    assert table_name("photos", first) in str(caught.value)

    discard_model(tmp_path / "index", name=one, pretrained="")
    assert tables(tmp_path) == sorted([table_name("photos", second), table_name("retired", second)])
    assert content(store_for(tmp_path, first)) == {}
    assert_everything_is_there(store_for(tmp_path, second), "/r/second")


def test_a_model_takes_no_table_that_an_older_phsearch_gave_the_same_name_for_another(tmp_path: Path) -> None:
    first, second = (dataclasses.replace(IDENTITY, name=name) for name in ALIKE[0])
    fill(tmp_path, first, "/r/first")
    call_as_before(tmp_path, first)
    before = bytes_below(tmp_path)
    assert content(store_for(tmp_path, second)) == {}
    discard_model(tmp_path / "index", name=second.name, pretrained="")
    assert bytes_below(tmp_path) == before
    fill(tmp_path, second, "/r/second")
    assert_everything_is_there(store_for(tmp_path, first), "/r/first")
    assert_everything_is_there(store_for(tmp_path, second), "/r/second")


def test_a_worker_that_loads_another_model_than_the_configured_one_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, dataclasses.replace(IDENTITY, name="other"), "/r/a")
    before = bytes_below(tmp_path)
    with pytest.raises(ModelMismatchError):
        opened(tmp_path).create_or_check(dataclasses.replace(IDENTITY, name="other"))
    assert bytes_below(tmp_path) == before


# --- an identity that is known before the model is loaded ---------------------------------------------------------


def test_where_the_vectors_of_a_model_have_changed_a_new_table_begins_and_the_former_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fill(tmp_path, OTHER_WEIGHTS, "/r/old")
    call_as_before(tmp_path, OTHER_WEIGHTS)
    opened_failures(tmp_path)
    before = bytes_below(tmp_path)
    store = store_for(tmp_path, IDENTITY, expected=True)
    assert content(store) == {}
    assert not store.deleted_vectors.has_digest(DELETED.digest), "its vector is of the former weights"
    store.create_or_check(IDENTITY)
    store.apply([(photo("/r/new"), vector(1))])
    assert former_tables(store).keys() == {"photos_mini", "retired_mini"}
    (said,) = [each.getMessage() for each in caplog.records if each.levelno == logging.INFO]
    assert "embedded anew once" in said
    assert "photos_mini.lance" in said

    again = store_for(tmp_path, IDENTITY, expected=True)
    again.create_or_check(IDENTITY)
    assert list(content(again)) == ["/r/new"]
    assert again.load_failures() == [failure("/r/bad")]
    assert len([each for each in caplog.records if each.levelno == logging.INFO]) == 1
    assert bytes_below(tmp_path).items() >= before.items()


def test_the_table_of_the_expected_identity_is_used_though_another_was_written_later(tmp_path: Path) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    fill_expected(tmp_path, OTHER_WEIGHTS, "/r/b")
    assert_everything_is_there(store_for(tmp_path, IDENTITY, expected=True), "/r/a")
    assert list(content(store_for(tmp_path, OTHER_WEIGHTS, expected=True))) == ["/r/b"]


def test_without_an_expected_identity_it_is_the_table_written_last(tmp_path: Path) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    fill_expected(tmp_path, OTHER_WEIGHTS, "/r/b")
    assert list(content(opened(tmp_path))) == ["/r/b"]
    store_for(tmp_path, IDENTITY, expected=True).apply([(photo("/r/c"), vector(3))])
    assert_everything_is_there(opened(tmp_path), "/r/a", "/r/c")


def fill_expected(state: Path, identity: ModelIdentity, path: str) -> None:
    store = store_for(state, identity, expected=True)
    store.create_or_check(identity)
    store.apply([(photo(path), vector(2))])


def test_a_model_that_is_not_the_expected_one_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ModelMismatchError, match="expected") as caught:
            store_for(tmp_path, IDENTITY, expected=True).create_or_check(OTHER_WEIGHTS)
        assert caught.value.hint
        assert table_name("photos", OTHER_WEIGHTS) not in tables(tmp_path)
        fill(tmp_path, IDENTITY, "/r/a")


# --- the names of an older phsearch -------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [False, True])
def test_tables_of_an_older_phsearch_get_their_new_name_once(tmp_path: Path, expected: bool) -> None:  # noqa: FBT001
    fill(tmp_path, IDENTITY, "/r/a", "/r/b")
    call_as_before(tmp_path, IDENTITY)
    store = store_for(tmp_path, IDENTITY, expected=expected)
    assert tables(tmp_path) == [PHOTOS, RETIRED]
    assert_everything_is_there(store, "/r/a", "/r/b")
    store.create_or_check(IDENTITY)
    store.apply([(photo("/r/c"), vector(3))], deletes=["/r/a"])
    store.optimize()
    assert_everything_is_there(opened(tmp_path), "/r/b", "/r/c")
    assert former_tables(store) == {}
    after = bytes_below(tmp_path)
    opened(tmp_path)
    assert bytes_below(tmp_path) == after


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_between_two_renames_nothing_is_lost_and_the_next_start_ends_it(tmp_path: Path, renames: int) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    call_as_before(tmp_path, IDENTITY)
    code = (
        "import os, sys, pathlib\n"
        "from phsearch.adapters.store import lance, table\n"
        "left, rename = [int(sys.argv[2])], table.Table.rename\n"
        "def dying(self, name):\n"
        "    left[0] or os.kill(os.getpid(), 9)\n"
        "    left[0] -= 1\n"
        "    rename(self, name)\n"
        "table.Table.rename = dying\n"
        "table.Table.open = lambda self: os.kill(os.getpid(), 9)\n"
        "lance.LanceStore(folder=pathlib.Path(sys.argv[1]), name='mini')\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "index"), str(renames)], timeout=scaled(60), check=False
    )
    assert child.returncode == -9
    assert tables(tmp_path) == sorted(
        [PHOTOS if renames else "photos_mini", RETIRED if renames > 1 else "retired_mini"]
    )
    assert_everything_is_there(opened(tmp_path), "/r/a")
    assert tables(tmp_path) == [PHOTOS, RETIRED]


def test_deleted_vectors_that_are_left_alone_serve_a_model_when_it_is_known(tmp_path: Path) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    call_as_before(tmp_path, IDENTITY)
    shutil.rmtree(tmp_path / "index" / "photos_mini.lance")
    store = opened(tmp_path)
    assert not store.deleted_vectors.has_digest(DELETED.digest)
    store.create_or_check(IDENTITY)
    assert_everything_is_there(store)
    assert tables(tmp_path) == [PHOTOS, RETIRED]


def test_beside_a_table_with_the_new_name_one_with_the_former_name_stays(tmp_path: Path) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    call_as_before(tmp_path, IDENTITY)
    shutil.copytree(tmp_path / "index", tmp_path / "older" / "index")
    opened(tmp_path).apply([(photo("/r/b"), vector(1))])
    shutil.copytree(tmp_path / "older" / "index", tmp_path / "index", dirs_exist_ok=True)
    store = opened(tmp_path)
    assert_everything_is_there(store, "/r/a", "/r/b")
    assert former_tables(store).keys() == {"photos_mini", "retired_mini"}


def make_newer(state: Path, table: str) -> None:
    db = lancedb.connect(state / "index")
    rows = db.open_table(table).to_arrow()
    rows = rows.replace_schema_metadata({**rows.schema.metadata, b"phsearch.schema": b"99"})
    db.create_table(table, rows, mode="overwrite")


@pytest.mark.parametrize("newer", ["photos_mini", "retired_mini", "errors"])
def test_an_index_with_a_newer_table_is_refused_before_any_is_renamed_and_can_be_rebuilt(
    tmp_path: Path, newer: str
) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    call_as_before(tmp_path, IDENTITY)
    opened_failures(tmp_path)
    make_newer(tmp_path, newer)
    before = bytes_below(tmp_path)
    for expected in (False, True):
        with pytest.raises(StoreError, match="newer phsearch"):
            store_for(tmp_path, IDENTITY, expected=expected)
    assert bytes_below(tmp_path) == before
    discard_model(tmp_path / "index", name="mini", pretrained="")
    assert content(opened(tmp_path, IDENTITY)) == {}


def opened_failures(state: Path) -> None:
    LanceStore(folder=state / "index", name="another").apply(failures=[failure("/r/bad")])


# --- damage -------------------------------------------------------------------------------------------------------


def empty_newest_manifest(table: Path) -> None:
    os.truncate(min((table / "_versions").glob("*.manifest")), 0)


def empty_all_manifests(table: Path) -> None:
    for manifest in (table / "_versions").glob("*.manifest"):
        os.truncate(manifest, 0)


def remove_all_manifests(table: Path) -> None:
    shutil.rmtree(table / "_versions")


@pytest.mark.parametrize("former", [False, True])
@pytest.mark.parametrize("expected", [False, True])
def test_a_damaged_table_steps_back_though_an_intact_one_of_former_weights_lies_beside_it(
    tmp_path: Path,
    former: bool,  # noqa: FBT001
    expected: bool,  # noqa: FBT001
) -> None:
    fill_expected(tmp_path, OTHER_WEIGHTS, "/r/former")
    fill_expected(tmp_path, IDENTITY, "/r/a")
    store_for(tmp_path, IDENTITY, expected=True).apply([(photo("/r/b"), vector(2))])
    if former:
        (tmp_path / "index" / f"{PHOTOS}.lance").rename(tmp_path / "index" / "photos_mini.lance")
    empty_newest_manifest(tmp_path / "index" / f"{'photos_mini' if former else PHOTOS}.lance")
    assert list(content(store_for(tmp_path, IDENTITY, expected=expected))) == ["/r/a"]
    assert PHOTOS in tables(tmp_path)


@pytest.mark.parametrize("former", [False, True])
@pytest.mark.parametrize("ruin", [empty_all_manifests, remove_all_manifests])
def test_a_table_that_cannot_say_whose_it_is_is_refused_and_neither_changed_nor_taken_for_anothers(
    tmp_path: Path,
    ruin: Callable[[Path], None],
    former: bool,  # noqa: FBT001
) -> None:
    other = dataclasses.replace(IDENTITY, name="other")
    fill(tmp_path, other, "/r/other")
    fill(tmp_path, IDENTITY, "/r/a")
    store_for(tmp_path, IDENTITY).apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    if former:
        call_as_before(tmp_path, IDENTITY)
    ruin(tmp_path / "index" / f"{'photos_mini' if former else PHOTOS}.lance")
    before = bytes_below(tmp_path)
    for expected in (False, True):
        with pytest.raises(StoreError, match="damaged") as caught:
            store_for(tmp_path, IDENTITY, expected=expected)
        assert "phsearchd --rebuild" in caught.value.hint
    assert_everything_is_there(store_for(tmp_path, other), "/r/other")
    assert bytes_below(tmp_path) == before

    discard_model(tmp_path / "index", name="mini", pretrained="")
    assert tables(tmp_path) == sorted([table_name("photos", other), table_name("retired", other), "volumes"])
    store = opened(tmp_path, IDENTITY)
    assert content(store) == {}
    assert store.load_volumes() == [Volume("/r", "/r", "x", 1.0)]


def test_a_ruined_table_of_former_weights_does_not_keep_a_new_one_from_beginning(tmp_path: Path) -> None:
    fill(tmp_path, OTHER_WEIGHTS, "/r/former")
    remove_all_manifests(tmp_path / "index" / f"{table_name('photos', OTHER_WEIGHTS)}.lance")
    before = bytes_below(tmp_path)
    fill_expected(tmp_path, IDENTITY, "/r/a")
    assert list(content(store_for(tmp_path, IDENTITY, expected=True))) == ["/r/a"]
    assert bytes_below(tmp_path).items() >= before.items()


def test_a_ruined_table_of_a_model_that_looks_alike_holds_up_nobody_who_has_a_table(tmp_path: Path) -> None:
    first, second = (dataclasses.replace(IDENTITY, name=name) for name in ALIKE[0])
    fill(tmp_path, first, "/r/first")
    fill(tmp_path, second, "/r/second")
    remove_all_manifests(tmp_path / "index" / f"{table_name('photos', first)}.lance")
    assert_everything_is_there(store_for(tmp_path, second), "/r/second")
    assert_everything_is_there(store_for(tmp_path, second, expected=True), "/r/second")
    with pytest.raises(StoreError, match="damaged"):
        store_for(tmp_path, first, expected=True)


# --- `--rebuild` --------------------------------------------------------------------------------------------------


def test_discarding_a_model_takes_its_tables_of_all_weights_and_the_failures_and_nothing_else(tmp_path: Path) -> None:
    other = dataclasses.replace(IDENTITY, name="mini", pretrained="other")
    index = tmp_path / "index"
    fill(tmp_path, IDENTITY, "/r/a")
    call_as_before(tmp_path, IDENTITY)
    fill_expected(tmp_path, OTHER_WEIGHTS, "/r/b")
    fill(tmp_path, other, "/r/other")
    opened_failures(tmp_path)
    opened(tmp_path).apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    (index / "removed.json").write_text("[]")
    for _ in range(2):
        discard_model(index, name="mini", pretrained="")
        assert tables(tmp_path) == sorted([table_name("photos", other), table_name("retired", other), "volumes"])
    assert (index / "removed.json").exists()
    assert_everything_is_there(store_for(tmp_path, other), "/r/other")


def test_volumes_of_a_newer_phsearch_do_not_keep_an_index_from_being_rebuilt(tmp_path: Path) -> None:
    fill(tmp_path, IDENTITY, "/r/a")
    opened(tmp_path).apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    make_newer(tmp_path, "volumes")
    with pytest.raises(StoreError, match="newer phsearch"):
        opened(tmp_path)
    discard_model(tmp_path / "index", name="mini", pretrained="")
    assert content(opened(tmp_path, IDENTITY)) == {}


def test_files_in_place_of_folders_are_discarded_too(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.write_text("not a folder")
    discard_model(index, name="mini", pretrained="")
    assert not index.exists()
    index.mkdir()
    for table in (PHOTOS, "errors"):
        (index / f"{table}.lance").write_text("not a folder")
    discard_model(index, name="mini", pretrained="")
    assert tables(tmp_path) == []


def test_what_cannot_be_discarded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, IDENTITY, "/r/a")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(StoreError, match=f"{PHOTOS}.lance: Permission denied") as caught:
        discard_model(tmp_path / "index", name="mini", pretrained="")
    assert "by hand" in caught.value.hint
