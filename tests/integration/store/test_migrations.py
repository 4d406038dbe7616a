"""An index of another version of phsearch: an older one is brought forward, a newer one is left alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import lancedb
import pyarrow as pa
import pytest

from phsearch.adapters.store.arrow_rows import photos_to_arrow
from phsearch.domain.types import Failure, Fingerprint, Volume
from phsearch.errors import StoreError
from support.store.kit import IDENTITY, PHOTOS, bytes_below, content, failure, opened, photo, vector
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ODD = "/r/latin\udce9.jpg"

PHOTOS_V1 = pa.schema(
    [
        ("path", pa.string()),
        ("root", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("digest", pa.binary(16)),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("taken_at", pa.string()),
        ("camera", pa.string()),
        ("lens", pa.string()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("indexed_at", pa.float64()),
        ("vector", pa.list_(pa.float16(), 4)),
    ],
    metadata={
        b"phsearch.model": json.dumps({name: getattr(IDENTITY, name) for name in IDENTITY.__slots__}).encode(),
        b"phsearch.schema": b"1",
    },
)
ERRORS_V1 = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("reason", pa.string()),
        ("decoder", pa.string()),
        ("attempts", pa.int32()),
        ("failed_at", pa.float64()),
    ],
    metadata={b"phsearch.schema": b"1"},
)


def write_version_1(state: Path) -> None:
    """Write what phsearch wrote before it had versions, with names that are not UTF-8, additions and a merge."""
    (state / "index").mkdir(parents=True)
    db = lancedb.connect(state / "index")
    photos = db.create_table("photos_mini", schema=PHOTOS_V1, exist_ok=True)
    photos.add(photos_to_arrow([(photo("/r/a"), vector(1)), (photo(ODD), vector(2))], PHOTOS_V1)[0])
    photos.add(photos_to_arrow([(photo("/r/b"), vector(3))], PHOTOS_V1)[0])
    photos.delete("path IN ('/r/b')")
    errors = db.create_table("errors", schema=ERRORS_V1, exist_ok=True)
    row = {"size": 7, "mtime_ns": 8, "reason": "cut short", "decoder": "d 1", "attempts": 3, "failed_at": 4.5}
    rows = [{"path": "/r/bad.jpg", **row}, {"path": "file:///r/bad%E9.jpg", **row}]
    merge = errors.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
    merge.execute(pa.Table.from_pylist(rows, schema=ERRORS_V1))


def assert_everything_is_there(state: Path) -> None:
    store = opened(state, IDENTITY)
    assert content(store) == {
        "/r/a": (photo("/r/a"), vector(1).tolist()),
        ODD: (photo(ODD), vector(2).tolist()),
    }
    assert sorted(store.load_failures(), key=lambda each: each.path) == [
        Failure("/r/bad.jpg", Fingerprint(7, 8), "cut short", "d 1", 3, 4.5, None),
        Failure("/r/bad\udce9.jpg", Fingerprint(7, 8), "cut short", "d 1", 3, 4.5, None),
    ]


def test_an_index_of_the_first_version_is_brought_forward_with_everything_in_it(tmp_path: Path) -> None:
    write_version_1(tmp_path)
    assert_everything_is_there(tmp_path)
    store = opened(tmp_path)
    store.load_failures()
    store.apply(failures=[failure("/r/bad.jpg")], deletes=["/r/bad\udce9.jpg"])
    store.apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    assert opened(tmp_path).load_failures() == [failure("/r/bad.jpg")]
    assert opened(tmp_path).load_volumes() == [Volume("/r", "/r", "x", 1.0)]


def test_when_a_file_was_changed_last_is_not_known_of_an_older_index_and_kept_from_then_on(tmp_path: Path) -> None:
    write_version_1(tmp_path)
    store = opened(tmp_path, IDENTITY)
    assert {each.fingerprint.ctime_ns for each in store.load()[0]} == {None}
    assert {each.fingerprint.ctime_ns for each in store.load_failures()} == {None}
    known = Fingerprint(1, 2, 3)
    store.apply(
        [(dataclasses.replace(photo("/r/a"), fingerprint=known), vector(1))],
        failures=[dataclasses.replace(failure("/r/bad.jpg"), fingerprint=known)],
    )
    store.close()
    store = opened(tmp_path)
    assert {each.path: each.fingerprint.ctime_ns for each in store.load()[0]} == {"/r/a": 3, ODD: None}
    assert {each.fingerprint.ctime_ns for each in store.load_failures()} == {3, None}


def test_an_index_is_brought_forward_once(tmp_path: Path) -> None:
    write_version_1(tmp_path)
    opened(tmp_path)
    after = bytes_below(tmp_path)
    opened(tmp_path)
    assert bytes_below(tmp_path) == after


@pytest.mark.parametrize(
    "last_words",
    [
        "migrations.migrate = lambda *_: os.kill(os.getpid(), 9)",
        "table_files.TableFiles.fsync = lambda _: os.kill(os.getpid(), 9)",
    ],
)
def test_killed_while_bringing_it_forward_nothing_is_lost(tmp_path: Path, last_words: str) -> None:
    write_version_1(tmp_path)
    code = (
        "import os, sys, pathlib\n"
        "from phsearch.adapters.store import lance, migrations, table_files\n"
        f"{last_words}\n"
        "lance.LanceStore(folder=pathlib.Path(sys.argv[1]), name='mini')\n"
    )
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path / "index")], timeout=scaled(60), check=False)
    assert child.returncode == -9
    assert_everything_is_there(tmp_path)


def to_version_99(rows: pa.Table) -> pa.Table:
    return rows.replace_schema_metadata({**rows.schema.metadata, b"phsearch.schema": b"99"})


@pytest.mark.parametrize("name", [PHOTOS, "errors", "volumes"])
def test_an_index_of_which_any_table_is_newer_is_refused_and_not_touched(tmp_path: Path, name: str) -> None:
    write_version_1(tmp_path)
    opened(tmp_path).apply_volumes([Volume("/r", "/r", "x", 1.0)], [])
    db = lancedb.connect(tmp_path / "index")
    # The others are older, and have reasons to be changed when they are opened.
    older: dict[str, Callable[[pa.Table], pa.Table]] = {name: to_version_99}
    if name != "errors":
        older["errors"] = lambda rows: rows.drop_columns(["digest", "ctime_ns"]).cast(ERRORS_V1)
    for table, change in older.items():
        db.create_table(table, change(db.open_table(table).to_arrow()), mode="overwrite")
    damaged: Any = newest_manifest(tmp_path, "volumes" if name != "volumes" else PHOTOS)
    damaged.write_bytes(b"")
    before = bytes_below(tmp_path)
    with pytest.raises(StoreError, match="newer phsearch") as caught:
        opened(tmp_path)
    assert "--state-dir" in caught.value.hint
    assert bytes_below(tmp_path) == before


def newest_manifest(state: Path, table: str) -> Path:
    return min((state / "index" / f"{table}.lance" / "_versions").glob("*.manifest"))
