"""No value of any column, from any file, keeps other rows from the disk."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from phsearch.domain.types import Failure, Fingerprint, Photo, PhotoInfo
from support.store.kit import IDENTITY, INFO, content, failure, opened, photo, vector

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.adapters.store.lance import LanceStore
    from phsearch.domain.types import Vectors

ROWS, EXAMPLES = 500, 20
"""Ten thousand rows in all."""

BAD: dict[str, Any] = {
    "size": 2**63,
    "mtime_ns": 15_032_385_535_000_000_000,
    "width": 10**30,
    "height": -(2**31) - 1,
    "format": 7,
    "taken_at": "2020-\udc80",
    "camera": "\ud800",
    "lens": ["not", "a", "text"],
    "lat": "north",
    "lon": 1j,
    "digest": b"short",
    "indexed_at": "now",
}


def with_value(path: str, column: str, value: Any) -> Photo:
    made = photo(path)
    if column in PhotoInfo.__slots__:
        return dataclasses.replace(made, info=dataclasses.replace(INFO, **{column: value}))
    if column in Fingerprint.__slots__:
        return dataclasses.replace(made, fingerprint=dataclasses.replace(made.fingerprint, **{column: value}))
    return dataclasses.replace(made, **{column: value})


def write(store: LanceStore, rows: list[tuple[Photo, Vectors]]) -> dict[str, str]:
    """Write rows. Return the reason for each path that is left out."""
    return {row.path: row.reason for row in store.apply(rows)}


@pytest.mark.parametrize("column", BAD)
def test_a_value_that_does_not_fit_is_named_and_the_others_are_written(tmp_path: Path, column: str) -> None:
    store = opened(tmp_path, IDENTITY)
    rows = [(photo(f"/r/{number}"), vector(number)) for number in range(20)]
    rows[13] = (with_value("/r/13", column, BAD[column]), vector(13))
    refused = write(store, rows)
    assert refused == {"/r/13": f"the index cannot hold its {column}, {BAD[column]!r}"}
    store.close()
    assert set(content(opened(tmp_path))) == {f"/r/{number}" for number in range(20)} - {"/r/13"}


@pytest.mark.parametrize(
    "wrong", [np.full(4, np.nan), np.array([1, 0, 0, np.inf]), np.ones(3), np.ones((1, 4)), np.full(4, 1e30)], ids=str
)
def test_numbers_that_are_no_vector_of_the_model_cost_one_photo(tmp_path: Path, wrong: Vectors) -> None:
    store = opened(tmp_path, IDENTITY)
    rows = [(photo("/r/a"), vector(1)), (photo("/r/b"), wrong.astype(np.float32)), (photo("/r/c"), vector(2))]
    refused = write(store, rows)
    assert list(refused) == ["/r/b"]
    assert "the index cannot hold its vector, " in refused["/r/b"]
    assert set(content(store)) == {"/r/a", "/r/c"}


def test_a_row_that_does_not_fit_stays_as_it_was_and_does_not_count_as_known(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    bad, worse = (with_value(f"/r/{name}", "width", 10**30) for name in ("new", "old"))
    lost = Failure("/r/lost", Fingerprint(1, 2**63), "broken", "v1", 1, 0.0)
    store.apply([(photo("/r/old"), vector(1)), (photo("/r/gone"), vector(1))])
    refused = store.apply(
        [(photo("/r/a"), vector(2)), (bad, vector(3)), (worse, vector(4))],
        failures=[lost, failure("/r/broken")],
        deletes=["/r/gone"],
    )
    assert [row.path for row in refused] == ["/r/new", "/r/old", "/r/lost"]
    assert refused[2].reason == "the index cannot hold its mtime_ns, 9223372036854775808"
    assert content(store)["/r/old"] == (photo("/r/old"), vector(1).tolist())
    assert set(content(store)) == {"/r/old", "/r/a"}
    assert [each.path for each in store.load_failures()] == ["/r/broken"]
    assert store.apply([(photo("/r/new"), vector(3))]) == []
    assert set(content(store)) == {"/r/old", "/r/a", "/r/new"}


anything = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(st.characters(codec=None), max_size=20),
    st.binary(max_size=20), st.just("NUL\0"), st.just(["no", "scalar"]),
)  # fmt: skip
columns = st.sampled_from([column for column in BAD if column not in {"digest", "indexed_at"}])
changes = st.lists(st.tuples(st.integers(0, ROWS - 1), columns, anything), max_size=60)


def columns_of(made: Photo) -> dict[str, Any]:
    return dataclasses.asdict(made.info) | dataclasses.asdict(made.fingerprint)


def same(found: Any, wanted: Any) -> bool:
    """Whether a value came back, as a whole number or a text where its column holds these."""
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(found, float) and math.isnan(found)
    if isinstance(wanted, float) and isinstance(found, int):
        return found == int(wanted)
    return bool(found == (wanted.decode() if isinstance(wanted, bytes) else wanted))


@given(changes)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_of_arbitrary_rows_each_is_on_the_disk_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    store = opened(folder, IDENTITY)
    batch = {f"/r/{number}": photo(f"/r/{number}") for number in range(ROWS)}
    for number, column, value in changes:
        batch[f"/r/{number}"] = with_value(f"/r/{number}", column, value)
    refused = write(store, [(each, vector(1)) for each in batch.values()])
    assert refused.keys() <= {f"/r/{number}" for number, _, _ in changes}
    store.close()
    kept = content(opened(folder))
    assert kept.keys() | refused.keys() == batch.keys()
    assert not kept.keys() & refused.keys()
    for path in kept.keys() & {f"/r/{number}" for number, _, _ in changes}:
        found, wanted = (columns_of(each) for each in (kept[path][0], batch[path]))
        for column, value in wanted.items():
            assert same(found[column], value), (column, value, found[column])


def test_a_text_of_ten_megabytes_comes_back(tmp_path: Path) -> None:
    store = opened(tmp_path, IDENTITY)
    store.apply([(with_value("/r/a", "camera", "long" * 2_500_000), vector(1)), (photo("/r/b"), vector(2))])
    store.close()
    assert content(opened(tmp_path))["/r/a"][0].info.camera == "long" * 2_500_000
