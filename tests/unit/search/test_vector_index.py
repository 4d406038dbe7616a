"""The resident matrix ranks exactly, in whatever order its photos were added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from phsearch.domain.search import columns, vector_index
from phsearch.domain.search.columns import Columns, seconds
from phsearch.domain.search.vector_index import VectorIndex, keep_rows, round_to_float16
from support.photos import photo

if TYPE_CHECKING:
    import pytest

    from phsearch.domain.types import Vectors

DIM = 4
paths = st.sampled_from([f"/p/{name}" for name in "abcdefgh"])
seeds = st.integers(0, 1000)


def vector(seed: int) -> Vectors:
    found = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return round_to_float16(found / np.linalg.norm(found))


def search(index: VectorIndex, query: Vectors, limit: int, min_score: float | None = None) -> list[tuple[str, float]]:
    """Rank as a search does."""
    if not len(index):
        return []
    scores = index.scores(query)
    mask = np.ones(len(index), np.bool_) if min_score is None else scores >= min_score
    return [(index.photo(row).path, float(scores[row])) for row in index.best(scores, mask, limit)]


def rank_with_a_loop(kept: dict[str, Vectors], query: Vectors, limit: int, min_score: float | None) -> list[str]:
    """Rank with a loop."""
    scored = [(path, float(row @ query)) for path, row in kept.items()]
    scored = [hit for hit in scored if min_score is None or hit[1] >= min_score]
    return [path for path, _ in sorted(scored, key=lambda hit: (-hit[1], hit[0]))][:limit]


class MatrixAgainstDictionary(RuleBasedStateMachine):
    """The matrix and a dictionary are changed in the same way, and must rank in the same way."""

    def __init__(self) -> None:
        super().__init__()
        self.index = VectorIndex()
        self.kept: dict[str, Vectors] = {}

    @rule(some=st.lists(paths, max_size=4), seed=seeds)
    def put_all(self, some: list[str], seed: int) -> None:
        found = [vector(seed + number) for number in range(len(some))]
        self.index.put_vectors([photo(path) for path in some], found)
        self.kept |= dict(zip(some, found, strict=True))

    @rule(some=st.lists(paths, max_size=4))
    def remove_all(self, some: list[str]) -> None:
        self.index.remove_paths(some)
        for path in some:
            self.kept.pop(path, None)

    @rule(path=paths, seed=seeds)
    def put(self, path: str, seed: int) -> None:
        self.index.put_vector(photo(path), vector(seed))
        self.kept[path] = vector(seed)

    @rule(path=paths)
    def remove(self, path: str) -> None:
        self.index.remove_path(path)
        self.kept.pop(path, None)

    @rule(path=paths)
    def take(self, path: str) -> None:
        (taken,) = self.index.pop_vectors([path])
        expected = self.kept.pop(path, None)
        assert (taken is None) == (expected is None)
        if taken is not None and expected is not None:
            assert np.array_equal(taken, expected)

    @rule(source=paths, new=paths)
    def rename(self, source: str, new: str) -> None:
        self.index.rename_path(source, photo(new))
        if source in self.kept:
            self.kept[new] = self.kept.pop(source)

    @rule()
    def load_again(self) -> None:
        rows = [self.kept[path] for path in self.kept]
        self.index.load([photo(path) for path in self.kept], np.stack(rows) if rows else np.empty((0, 0), np.float32))

    @rule(seed=seeds, limit=st.integers(1, 9), low=st.none() | st.floats(-1, 1))
    def search(self, seed: int, limit: int, low: float | None) -> None:
        found = [path for path, _ in search(self.index, vector(seed), limit, low)]
        expected = rank_with_a_loop(self.kept, vector(seed), limit, low)
        if found != expected:  # scores that differ in the last bit only may swap
            scores = {path: float(row @ vector(seed)) for path, row in self.kept.items()}
            assert len(found) == len(expected)
            np.testing.assert_allclose([scores[p] for p in found], [scores[p] for p in expected], atol=1e-6)

    @rule(some=st.lists(paths, max_size=4))
    def vectors(self, some: list[str]) -> None:
        expected = [self.kept.get(path, np.zeros(DIM, np.float32)) for path in some]
        if self.kept:
            np.testing.assert_array_equal(self.index.vectors(some), np.stack(expected) if some else np.empty((0, DIM)))

    @invariant()
    def every_row_has_the_values_of_its_photo(self) -> None:
        columns = self.index.columns
        assert len(columns) == len(self.kept)
        for path in self.kept:
            row = self.index.row(path)
            assert row is not None
            assert columns.folders.listed()[columns["folder"][row]] == path.rpartition("/")[0]
            assert columns["taken"][row] == seconds(photo(path).info.taken_at)

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.index) == len(self.kept)


TestMatrix = MatrixAgainstDictionary.TestCase
TestMatrix.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_ties_are_decided_by_path_even_at_the_limit() -> None:
    index = VectorIndex()
    for name in ("d", "b", "a", "c"):
        index.put_vector(photo(name), vector(1))
    assert [path for path, _ in search(index, vector(1), 2)] == ["a", "b"]


def test_no_score_exceeds_one_though_rounded_vectors_may_be_longer() -> None:
    index = VectorIndex()
    long = vector(1) * np.float32(1.001)
    index.put_vector(photo("a"), long)
    assert search(index, long, 1) == [("a", 1.0)]


def test_an_empty_index_finds_nothing() -> None:
    assert search(VectorIndex(), vector(1), 5) == []


@given(st.integers(1, 700))
@settings(max_examples=10, deadline=None)
def test_the_matrix_grows_without_losing_a_row(count: int) -> None:
    index = VectorIndex()
    for number in range(count):
        index.put_vector(photo(str(number)), vector(number))
    for number in (0, count // 2, count - 1):
        found = index.vector(str(number))
        assert found is not None
        assert np.array_equal(found, vector(number))


def test_the_matrix_frees_the_memory_of_deleted_photos_and_keeps_the_rest() -> None:
    index = VectorIndex()
    for number in range(4000):
        index.put_vector(photo(str(number)), vector(number))
    most = index._rows.nbytes
    for number in range(3900):
        index.remove_path(str(number))
    assert index._rows.nbytes < most / 8
    for number in range(3900, 4000):
        found = index.vector(str(number))
        assert found is not None
        assert np.array_equal(found, vector(number))


def test_rows_that_are_kept_stay_in_order_and_the_memory_of_the_rest_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "_ROWS_AT_ONCE", 3)
    for kept in ([0, 3, 4, 5, 7, 11, 12], [12], []):
        rows = np.stack([vector(number) for number in range(13)])
        expected = rows[kept]
        keep_rows(rows, np.array(kept, np.intp))
        assert np.array_equal(rows, expected)


def test_columns_that_are_made_of_many_photos_are_those_of_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_ROWS_AT_ONCE", 3)
    photos = [photo(f"/p/{number % 3}/{number}.jpg", camera=f"c{number % 2}") for number in range(8)]
    photos.append(photo("/p/2024-05-01.jpg", taken_at=None, lat=1.5, lon=-2.5))
    loaded, expected = Columns(photos), Columns()
    for row, each in enumerate(photos):
        expected.put_row(row, each)
    for name in columns._DTYPES:
        np.testing.assert_array_equal(loaded[name], expected[name])
    assert loaded.folders.listed() == expected.folders.listed()
    assert loaded.cameras.listed() == expected.cameras.listed()


def test_one_photo_that_comes_and_goes_does_not_copy_the_matrix_each_time() -> None:
    index = VectorIndex()
    for number in range(3000):
        index.put_vector(photo(str(number)), vector(number))
    for number in range(2200):
        index.remove_path(str(number))
    copies = set()
    for number in range(50):
        index.put_vector(photo(f"new {number}"), vector(1))
        index.remove_path(f"new {number}")
        copies.add(id(index._rows))
    assert len(copies) == 1
