"""Photos of one moment are one hit; photos that only look alike are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photos import photo
from phsearch.domain.moments import Closeness, collapse, related, stem

if TYPE_CHECKING:
    from phsearch.domain.types import Photo

CLOSE = Closeness(by_name=0.5, by_time=0.7)


def vectors(*cosines: float) -> np.ndarray:
    """Give unit vectors with these cosines to the first."""
    return np.array([[cosine, (1 - cosine**2) ** 0.5] for cosine in cosines], np.float32)


def burst(*seconds: int, camera: str = "Pixel") -> list[Photo]:
    times = [f"2024-06-01T10:{second // 60:02}:{second % 60:02}" for second in seconds]
    return [photo(f"/p/{chr(97 + at)}.jpg", taken_at=time, camera=camera) for at, time in enumerate(times)]


def test_a_burst_is_one_moment_however_many_seconds_it_takes_in_all() -> None:
    photos = burst(0, 8, 16, 24)
    assert collapse(photos, vectors(1, 0.95, 0.9, 0.85), CLOSE) == [[0, 1, 2, 3]]


def test_what_looks_alike_but_was_taken_at_another_time_is_another_moment() -> None:
    assert collapse(burst(0, 60), vectors(1, 0.99), CLOSE) == [[0], [1]]


def test_what_was_taken_in_the_same_seconds_but_shows_something_else_is_another_moment() -> None:
    assert collapse(burst(0, 1), vectors(1, 0.6), CLOSE) == [[0], [1]]


def test_two_cameras_at_once_are_two_moments() -> None:
    photos = [*burst(0), photo("/p/z.jpg", taken_at="2024-06-01T10:00:00", camera="Canon")]
    assert collapse(photos, vectors(1, 0.99), CLOSE) == [[0], [1]]


def test_each_is_compared_with_the_best_so_an_afternoon_is_not_one_moment() -> None:
    photos = burst(0, 5, 10, 15)
    # Each is close to its neighbour, the last no longer to the first.
    angles = np.radians([0, 30, 60, 90])
    turning = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert collapse(photos, turning, CLOSE) == [[0, 1], [2, 3]]


def test_the_very_same_bytes_are_one_moment_wherever_they_lie() -> None:
    photos = [photo("/a/x.jpg", b"0" * 16, taken_at=None), photo("/b/y.jpg", b"0" * 16, taken_at=None)]
    assert collapse(photos, vectors(1, 1), CLOSE) == [[0, 1]]


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234.CR2",
        "IMG_1234-edited.jpg",
        "IMG_1234 (1).jpg",
        "img_1234_copy.JPG",
        "IMG_1234~2.jpg",
        "Copy of IMG_1234.jpg",
    ],
)
def test_a_raw_file_an_edit_and_a_copy_belong_to_their_photo(name: str) -> None:
    photos = [photo("/p/IMG_1234.jpg", taken_at=None), photo(f"/p/{name}", taken_at=None)]
    assert collapse(photos, vectors(1, 0.6), CLOSE) == [[0, 1]]
    assert collapse(photos, vectors(1, 0.3), CLOSE) == [[0], [1]], "a name alone says too little"


def test_the_same_name_in_another_place_is_another_photo() -> None:
    photos = [photo("/a/b/IMG_1234.jpg", taken_at=None), photo("/c/d/IMG_1234.jpg", taken_at=None)]
    assert collapse(photos, vectors(1, 0.9), CLOSE) == [[0], [1]]
    beside = [photos[0], photo("/a/raw/IMG_1234.dng", taken_at=None)]
    assert collapse(beside, vectors(1, 0.9), CLOSE) == [[0, 1]], "RAW files often lie in a folder beside"


def test_names_without_a_number_say_nothing() -> None:
    assert [stem(name) for name in ("photo.jpg", "a1.jpg", "DSC_0042-Edit.tif", "edited.jpg")] == [
        "",
        "",
        "dsc_0042",
        "",
    ]


photos_of_all_kinds = st.lists(
    st.builds(
        lambda name, folder, second, digest: photo(
            f"/{folder}/{name}", bytes([digest]) * 16, taken_at=f"2024-06-01T10:00:{second:02}"
        ),
        st.sampled_from(["IMG_1.jpg", "IMG_1-edited.jpg", "IMG_2.jpg", "IMG_2 (1).jpg", "x.jpg"]),
        st.sampled_from(["a", "b", "a/raw"]),
        st.integers(0, 59),
        st.integers(0, 200),
    ),
    max_size=12,
    unique_by=lambda each: each.path,
)


@given(photos_of_all_kinds, st.integers(0, 1000))
@settings(max_examples=300, deadline=None)
def test_no_photo_is_lost_or_shown_twice_and_the_best_come_first(photos: list[Photo], seed: int) -> None:
    found = np.random.default_rng(seed).normal(size=(len(photos), 3)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True) if len(found) else 1
    moments = collapse(photos, found, CLOSE)
    assert sorted(place for moment in moments for place in moment) == list(range(len(photos)))
    assert [moment[0] for moment in moments] == sorted(moment[0] for moment in moments)
    assert all(moment == sorted(moment) for moment in moments)
    groups = [set(group) for group in related(photos)]
    for moment in moments:
        assert len(moment) == 1 or any(set(moment) <= group for group in groups), "only related photos are compared"


def test_how_close_is_close_follows_from_photos_in_general() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 64)).astype(np.float32) + 0.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = (rows[:1500] * rows[1500:]).sum(axis=1)
    close = Closeness.of(rows.mean(axis=0), np.cov(rows.T).astype(np.float32))
    assert close.by_name == pytest.approx(pairs.mean() + 2.5 * pairs.std(), abs=0.03)
    assert close.by_time == pytest.approx(pairs.mean() + 5 * pairs.std(), abs=0.05)
