"""Near-duplicates are one group; photos that only look alike are not."""

from __future__ import annotations

import itertools
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phsearch.domain.search import near_duplicates
from phsearch.domain.search.near_duplicates import MAX_GROUP, SimilarityThresholds, is_named_as_copy, related, stem
from phsearch.domain.search.relevance import UNCALIBRATED
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import Photo, Vectors

CLOSE = SimilarityThresholds(by_name=0.5, by_time=0.7)


def collapse(photos: Sequence[Photo], rows: Vectors, thresholds: SimilarityThresholds) -> list[list[int]]:
    place = {each.path: at for at, each in enumerate(photos)}
    return near_duplicates.collapse(photos, lambda paths: rows[[place[path] for path in paths]], thresholds)


def vectors(*cosines: float) -> np.ndarray:
    """Return unit vectors with these cosines to the first."""
    return np.array([[cosine, (1 - cosine**2) ** 0.5] for cosine in cosines], np.float32)


def burst(*seconds: int, camera: str = "Pixel") -> list[Photo]:
    times = [f"2024-06-01T10:{second // 60:02}:{second % 60:02}" for second in seconds]
    return [photo(f"/p/{chr(97 + at)}.jpg", taken_at=time, camera=camera) for at, time in enumerate(times)]


def test_a_burst_is_one_group_however_long_it_is() -> None:
    photos = burst(0, 8, 16, 24)
    assert collapse(photos, vectors(1, 0.95, 0.9, 0.85), CLOSE) == [[0, 1, 2, 3]]


def test_similar_photos_of_another_time_are_another_group() -> None:
    assert collapse(burst(0, 60), vectors(1, 0.99), CLOSE) == [[0], [1]]


def test_photos_of_the_same_seconds_that_differ_are_another_group() -> None:
    assert collapse(burst(0, 1), vectors(1, 0.6), CLOSE) == [[0], [1]]


def test_two_cameras_at_once_are_two_groups() -> None:
    photos = [*burst(0), photo("/p/z.jpg", taken_at="2024-06-01T10:00:00", camera="Canon")]
    assert collapse(photos, vectors(1, 0.99), CLOSE) == [[0], [1]]


def test_each_is_compared_with_the_best_so_an_afternoon_is_not_one_group() -> None:
    photos = burst(0, 5, 10, 15)
    # Each is close to its neighbour, the last no longer to the first.
    angles = np.radians([0, 30, 60, 90])
    turning = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert collapse(photos, turning, CLOSE) == [[0, 1], [2, 3]]


def test_the_same_bytes_are_one_group_wherever_they_are() -> None:
    photos = [photo("/a/x.jpg", b"0" * 16, taken_at=None), photo("/b/y.jpg", b"0" * 16, taken_at=None)]
    assert collapse(photos, vectors(1, 1), CLOSE) == [[0, 1]]


def test_a_photo_joins_the_closest_group() -> None:
    angles = np.radians([0, 46, 40])  # the first two are no pair, the third is close to both
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert collapse(burst(0, 1, 2), turned, CLOSE) == [[0], [1, 2]]


def test_a_photo_between_two_of_a_group_is_near_in_time_to_one_of_them() -> None:
    photos = burst(10, 29, 20, 40)  # 29 is too far from 10, and no photo is ranked in between
    assert collapse(photos[:2], vectors(1, 0.9), CLOSE) == [[0], [1]]
    assert collapse([photos[at] for at in (0, 2, 1)], vectors(1, 0.9, 0.9), CLOSE) == [[0, 1, 2]]
    assert collapse([photos[at] for at in (0, 2, 1, 3)], vectors(1, 0.9, 0.9, 0.9), CLOSE) == [[0, 1, 2], [3]]


# As Google Photos and the file managers of Windows, macOS, GNOME and KDE name them.
EDITED = [
    "edited", "bearbeitet", "modifié", "editado", "modificato", "bewerkt", "edytowane", "redigerad", "redigeret",
    "redigert", "muokattu", "upravené", "szerkesztett", "editat", "επεξεργασμένο", "изменено", "отредактировано",
    "відредаговано", "düzenlendi", "編集済み", "已编辑", "已編輯", "편집됨", "diedit", "แก้ไขแล้ว", "संपादित",
]  # fmt: skip
COPIES = [
    "Copy", "Kopie", "copie", "copia", "cópia", "kopia", "kopi", "kopio", "kópia", "Kopya", "másolat", "αντίγραφο",
    "копия", "копія", "コピー", "副本", "複製", "복사본", "สำเนา", "نسخة",
]  # fmt: skip
COPIES_OF = ["Kopie von", "Kopie van", "Copie de", "Copia de", "Copia di", "Cópia de", "Kopi av", "Kopia", "копия"]


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234.CR2",
        "IMG_1234-edited.jpg",
        "IMG_E1234.HEIC",
        "IMG_1234 - Copy.jpg",
        "Copy of Copy of IMG_1234.jpg",
        "img_1234_copy.JPG",
        "IMG_1234~2.jpg",
        "Copy of IMG_1234.jpg",
        *(f"IMG_1234-{word}.jpg" for word in EDITED),
        *(f"IMG_1234 - {word}.jpg" for word in COPIES),
        *(f"IMG_1234 — {word}.jpg" for word in COPIES),
        *(f"{words} IMG_1234.jpg" for words in COPIES_OF),
        "IMG_1234編集済み.jpg",
        "IMG_1234のコピー.jpg",
        unicodedata.normalize("NFD", "IMG_1234-modifié.jpg"),
        unicodedata.normalize("NFD", "cópia de IMG_1234.jpg"),
    ],
)
def test_a_raw_file_an_edit_and_a_copy_belong_to_their_photo(name: str) -> None:
    photos = [photo("/p/IMG_1234.jpg", taken_at=None), photo(f"/p/{name}", taken_at=None)]
    assert collapse(photos, vectors(1, 0.6), CLOSE) == [[0, 1]]
    assert collapse(photos, vectors(1, 0.3), CLOSE) == [[0], [1]], "a name alone says too little"


@pytest.mark.parametrize("word", [*EDITED, *COPIES])
def test_a_number_may_follow_such_a_word(word: str) -> None:
    assert stem(f"IMG_1234 – {word} (2).jpg") == stem(f"IMG_1234-{word}(1).jpg") == "img_1234"  # noqa: RUF001
    assert is_named_as_copy(f"/p/IMG_1234 - {word}.jpg")


@pytest.mark.parametrize(
    "name", ["Kopenhagen 2024.jpg", "copious 12.jpg", "12 editor.jpg", "Edith 12.jpg", "副本町12.jpg"]
)
def test_words_that_only_begin_so_are_names(name: str) -> None:
    assert stem(name) == name.removesuffix(".jpg").casefold()
    assert not is_named_as_copy(f"/p/{name}")


def named(*names: str, taken: Sequence[str | None] = (None, None)) -> list[Photo]:
    return [photo(name, taken_at=at) for name, at in zip(names, taken, strict=True)]


def test_the_same_name_in_another_place_is_another_photo() -> None:
    assert collapse(named("/a/b/IMG_1234.jpg", "/c/d/IMG_1234.jpg"), vectors(1, 0.9), CLOSE) == [[0], [1]]


def test_a_raw_file_in_a_folder_beside_is_less_surely_related() -> None:
    beside = "/a/jpg/IMG_1234.jpg", "/a/raw/IMG_1234.dng"
    assert collapse(named(*beside), vectors(1, 0.9), CLOSE) == [[0, 1]]
    assert collapse(named(*beside), vectors(1, 0.6), CLOSE) == [[0], [1]]
    at = "2024-06-01T10:00:00"
    assert collapse(named(*beside, taken=(at, at)), vectors(1, 0.6), CLOSE) == [[0, 1]], (
        "the same time makes the relation sure"
    )


def test_a_camera_that_restarted_its_numbers_made_another_photo() -> None:
    photos = named("/a/IMG_0001.jpg", "/a/IMG_0001.cr2", taken=("2023-06-01T10:00:00", "2024-06-01T10:00:00"))
    assert collapse(photos, vectors(1, 0.6), CLOSE) == [[0], [1]]
    assert collapse(photos, vectors(1, 0.8), CLOSE) == [[0, 1]], "unless they look very much alike: an edit of later"


def test_a_number_in_parentheses_may_count_an_album() -> None:
    photos = named("/a/Paris 2019 (1).jpg", "/a/Paris 2019 (2).jpg")
    assert collapse(photos, vectors(1, 0.6), CLOSE) == [[0], [1]]
    assert collapse(photos, vectors(1, 0.8), CLOSE) == [[0, 1]]


def test_names_without_a_number_say_nothing() -> None:
    assert [stem(name) for name in ("photo.jpg", "a1.jpg", "DSC_0042-Edit.tif", "edited.jpg")] == [
        "",
        "",
        "dsc_0042",
        "",
    ]


@pytest.mark.parametrize("name", ["copy " * 50 + "x", "_-" * 120 + "x", "(1)" * 80 + "x", "edit" * 60 + "1x"])
def test_no_name_takes_long_to_read(name: str) -> None:
    # Endless, if the pattern could go back and forth; a test that hangs is ended.
    assert isinstance(stem(name), str)


def collapse_counting(photos: Sequence[Photo], rows: Vectors) -> tuple[list[list[int]], int]:
    """Return the groups, and how many vectors were compared."""
    place, asked = {each.path: at for at, each in enumerate(photos)}, 0

    def vectors_of(paths: Sequence[str]) -> Vectors:
        nonlocal asked
        asked += len(paths)
        return rows[[place[path] for path in paths]]

    return near_duplicates.collapse(photos, vectors_of, CLOSE), asked


@pytest.mark.parametrize("what", ["the same time", "the same name", "both"])
def test_a_time_or_name_that_all_photos_share_keeps_the_work_linear(what: str) -> None:
    count = 600
    rows = np.eye(count, dtype=np.float32)
    names = ["/p/{}.jpg" if what == "the same time" else "/p/IMG_0001 ({}).jpg"] * count
    taken = None if what == "the same name" else "2000-01-01T00:00:00"
    photos = [photo(name.format(at), taken_at=taken) for at, name in enumerate(names)]
    found, asked = collapse_counting(photos, rows)
    assert len(found) == count
    assert asked <= count * (4 * MAX_GROUP + 1)


def test_copies_are_found_however_many_photos_share_their_time_and_name() -> None:
    photos = [photo(f"/p/{at}.jpg", bytes([at % 100]) * 16, taken_at="2000-01-01T00:00:00") for at in range(200)]
    found, _ = collapse_counting(photos, np.eye(200, dtype=np.float32))
    assert found == [[at, at + 100] for at in range(100)]


def test_two_photos_are_grouped_in_either_order() -> None:
    photos = burst(0, 5)
    rows = vectors(1, 0.8)
    assert collapse(photos, rows, CLOSE) == collapse(photos[::-1], rows[::-1], CLOSE) == [[0, 1]]


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
    grouped = collapse(photos, found, CLOSE)
    assert sorted(place for group in grouped for place in group) == list(range(len(photos)))
    assert [group[0] for group in grouped] == sorted(group[0] for group in grouped)
    assert all(group == sorted(group) for group in grouped)
    related_places = [set(places) for places in related(photos)]
    for group in grouped:
        assert len(group) == 1 or any(set(group) <= places for places in related_places), (
            "only related photos are compared"
        )
        best = group[0]
        for place in group[1:]:
            same = any(photos[place].digest == photos[other].digest for other in group if other != place)
            assert same or float(found[best] @ found[place]) >= CLOSE.by_name, "each is close to the best photo"


@given(photos_of_all_kinds, st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_the_order_of_two_photos_does_not_change_their_groups(photos: list[Photo], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(2, 3)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for one, other in itertools.pairwise(photos):
        assert len(collapse([one, other], rows, CLOSE)) == len(collapse([other, one], rows[::-1], CLOSE))


def test_thresholds_follow_from_photos_in_general() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 64)).astype(np.float32) + 0.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = (rows[:1500] * rows[1500:]).sum(axis=1)
    close = SimilarityThresholds.of(rows.mean(axis=0), np.cov(rows.T).astype(np.float32))
    assert close.by_name == pytest.approx(pairs.mean() + 2.5 * pairs.std(), abs=0.03)
    assert close.by_time == pytest.approx(pairs.mean() + 5 * pairs.std(), abs=0.05)


def test_thresholds_stay_below_one_where_photos_are_similar_in_general() -> None:
    close = SimilarityThresholds.above(0.55, 0.1)
    assert close.by_name == pytest.approx(0.8)
    assert close.by_time == pytest.approx(0.91), "not 1.05, which nothing reaches"


def test_without_a_calibration_the_library_gives_the_thresholds() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5000, 32)).astype(np.float32) + 0.3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    close = SimilarityThresholds.known(UNCALIBRATED, rows)
    true = SimilarityThresholds.of(rows.mean(axis=0), np.cov(rows.T).astype(np.float32))
    assert close.by_name == pytest.approx(true.by_name, abs=0.05)
    assert SimilarityThresholds.known(UNCALIBRATED, rows[:5]) == SimilarityThresholds(0.8, 0.9), "a few say nothing"
