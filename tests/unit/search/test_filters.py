"""A filter never loses or invents a photo: masks are compared with a plain loop over the photos."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phsearch.domain.query import parse
from phsearch.domain.query.ast import Filter, Test
from phsearch.domain.query.dates import TakenBetween, Undated
from phsearch.domain.query.measures import Near, Size
from phsearch.domain.query.names import Camera, Folder, Format, Orientation, Root
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.columns import Columns
from phsearch.domain.search.filters import FilterCompiler, IndexedSpan
from support.photos import photo

if TYPE_CHECKING:
    from phsearch.domain.types import Photo

TODAY = dt.date(2024, 6, 15)
HOME = "/home/me"
FIRST, LAST = dt.datetime(1990, 1, 1), dt.datetime(2030, 1, 1)  # noqa: DTZ001 - cameras know no zone
ROOTS = Roots(["/home/me/Pictures", "/home/me/Pictures/Work", "/mnt/disk"])
COMPILER = FilterCompiler(ROOTS, HOME)


def found(query: str, *photos: Photo) -> list[str]:
    mask = COMPILER.compile(parse(query, TODAY).filters)(Columns(photos))
    return [each.path.rpartition("/")[2] for each, kept in zip(photos, mask, strict=True) if kept]


def at(name: str, folder: str = "/home/me/Pictures", **info: Any) -> Photo:
    return photo(f"{folder}/{name}", **info)


# --- each filter, by example --------------------------------------------------------------------------------------


def test_a_date_is_by_the_clock_of_the_camera_whatever_its_offset() -> None:
    photos = (
        at("first", taken_at="2024-06-01T00:00:00+14:00"),
        at("last", taken_at="2024-06-30T23:59:59.99-11:00"),
        at("later", taken_at="2024-07-01T00:00:00"),
        at("never", taken_at=None),
    )
    assert found("date:2024-06", *photos) == ["first", "last"]
    assert found("after:2024-06", *photos) == ["later"]
    assert found("before:2024-06-30", *photos) == ["first"]
    assert found("-date:2024-06", *photos) == ["later", "never"]
    assert found("date:none", *photos) == ["never"]
    assert found("date:2024..", *photos) == ["first", "last", "later"]


def test_a_folder_matches_any_part_of_its_path_below_the_root_and_the_name_of_the_root() -> None:
    photos = (
        at("a", "/home/me/Pictures/Trips/Holidays/2023/Rome"),
        at("b", "/home/me/Pictures/Holidays/2023"),
        at("c", "/home/me/Pictures/Holidays/20234"),
        at("d", "/mnt/disk/holidays"),
    )
    assert found("in:holidays/2023", *photos) == ["a", "b"]
    assert found("in:Holidays", *photos) == ["a", "b", "c", "d"]
    assert found("in:home", *photos) == [], "the path above a root does not count"
    assert found("in:pictures", *photos) == ["a", "b", "c"]
    assert found("in:/home/me/Pictures/Holidays", *photos) == ["b", "c"]
    assert found("in:~/Pictures/Trips", *photos) == ["a"]
    assert found("in:Holidays/2023*", *photos) == ["a", "b", "c"]
    assert found("in:Trips/**/Rome", *photos) == ["a"]
    assert found("-in:Holidays/2023", *photos) == ["c", "d"]


def test_a_folder_in_quotes_is_no_glob() -> None:
    photos = (
        at("a", "/home/me/Pictures/[2024-01] Trip/x"),
        at("b", "/home/me/Pictures/2 Trip"),
        at("c", "/mnt/disk/*"),
    )
    assert found('in:"[2024-01] trip"', *photos) == ["a"]
    assert found('in:"/home/me/Pictures/[2024-01] Trip"', *photos) == ["a"]
    assert found("in:[2024-01]?Trip", *photos) == ["b"]
    assert found('in:"*"', *photos) == ["c"]
    assert found('in:"* Trip"', *photos) == []
    assert found('in:"Trip*\\\\"', *photos) == []


def test_a_folder_that_is_called_like_a_glob_is_found_by_its_name() -> None:
    photos = (at("a", "/home/me/Pictures/[2024-01]/x"), at("b", "/home/me/Pictures/4"), at("c", "/mnt/disk/[x"))
    assert found("in:[2024-01]", *photos) == ["a", "b"]
    assert found("in:[x", *photos) == ["c"]


def test_a_glob_may_be_a_whole_path() -> None:
    photos = (at("a", "/home/me/Pictures/2023/x"), at("b", "/home/me/Pictures/x/2023"), at("c", "/mnt/disk/2023"))
    assert found("in:~/Pictures/20*", *photos) == ["a"]
    assert found("in:/mnt/*/2023", *photos) == ["c"]
    assert found("in:/Pictures/20*", *photos) == ["a"]


def test_accents_may_be_written_either_way() -> None:
    photos = (at("a", "/home/me/Pictures/Caf\u00e9"), at("b", "/home/me/Pictures/Cafe\u0301"))
    assert found("in:cafe\u0301", *photos) == ["a", "b"]


def test_a_root_matches_its_name_and_only_its_own_photos() -> None:
    photos = (at("a"), at("b", "/home/me/Pictures/Work/x"), at("c", "/mnt/disk"))
    assert found("root:pictures", *photos) == ["a"]
    assert found("root:Work", *photos) == ["b"]
    assert found("root:/mnt/disk", *photos) == ["c"]
    assert found("root:~/Pictures", *photos) == ["a"]


@pytest.mark.parametrize(
    ("words", "camera", "meant"),
    [
        ("pixel 8", "Google Pixel 8", True),
        ("Pixel 8", "Google Pixel 8 Pro", True),
        ("pixel 8", "Google Pixel 3 XL 8", False),
        ("pixel 8", "Google Pixel 80", False),
        ("canon", "Canon EOS 6D", True),
        ("eos 6", "Canon EOS 60D", False),
        ("eos 6d", "Canon EOS 6D", True),
        ("nik", "NIKON D90", True),
        ("kon", "NIKON D90", False),
    ],
)
def test_a_camera_matches_consecutive_words_of_its_name(words: str, camera: str, meant: bool) -> None:  # noqa: FBT001
    assert found(f'camera:"{words}"', at("a", camera=camera)) == (["a"] if meant else [])


def test_a_photo_without_a_camera_matches_no_camera() -> None:
    assert found("camera:canon", at("a", camera=None)) == []
    assert found("-camera:canon", at("a", camera=None)) == ["a"]


def test_near_works_across_the_date_line_and_at_the_poles() -> None:
    photos = (at("fiji", lat=-17.0, lon=179.99), at("other", lat=-17.0, lon=-179.99), at("pole", lat=89.999, lon=10.0))
    assert found("near:-17,180,5km", *photos) == ["fiji", "other"]
    assert found("near:90,-100,1km", *photos) == ["pole"]
    assert found("near:0,0,20000km", at("nowhere", lat=None, lon=None)) == []


def test_types_may_be_alternatives_and_raw_is_all_of_them() -> None:
    photos = (at("a", format="JPEG"), at("b", format="NEF"), at("c", format="DNG"), at("d", format="HEIC"))
    assert found("type:raw", *photos) == ["b", "c"]
    assert found("type:nef,heic", *photos) == ["b", "d"]
    assert found("-type:raw", *photos) == ["a", "d"]


def test_sizes_are_of_pixels_of_the_longer_side_or_of_the_file() -> None:
    photos = (
        at("small", width=640, height=480),
        photo("/home/me/Pictures/big", width=3000, height=4000, size=6_000_000),
    )
    assert found("size:>=12MP", *photos) == ["big"]
    assert found("size:>12MP", *photos) == []
    assert found("size:<1000px", *photos) == ["small"]
    assert found("size:5MB..7MB", *photos) == ["big"]
    assert found("orientation:portrait", *photos) == ["big"]
    assert found("orientation:landscape -size:>5MB", *photos) == ["small"]


# --- all of them, against a loop ----------------------------------------------------------------------------------

taken = st.none() | st.datetimes(FIRST, LAST).map(lambda moment: moment.isoformat(timespec="seconds"))
folders = st.sampled_from(
    ["/home/me/Pictures", "/home/me/Pictures/Work/a", "/mnt/disk/Holidays/2023", "/mnt/disk/holidays"]
)
libraries = st.lists(
    st.builds(
        lambda number, folder, size, **info: photo(f"{folder}/{number}.jpg", size=size, **info),
        st.integers(0, 10**6),
        folders,
        st.sampled_from([10, 5_000_000]),
        taken_at=taken,
        camera=st.sampled_from([None, "Canon EOS 6D", "Google Pixel 8"]),
        format=st.sampled_from(["JPEG", "NEF", "HEIC"]),
        width=st.sampled_from([100, 4000]),
        height=st.sampled_from([100, 3000]),
        lat=st.none() | st.floats(-90, 90),
        lon=st.floats(-180, 180),
    ),
    max_size=12,
    unique_by=lambda each: each.path,
)
moments = st.datetimes(FIRST, LAST).map(lambda moment: moment.replace(microsecond=0))
tests = st.one_of(
    st.builds(TakenBetween, st.none() | moments, st.none() | moments),
    st.just(Undated()),
    st.builds(Folder, st.sampled_from(["Holidays", "holidays/2023", "/mnt/disk", "Work", "disk", "nowhere"])),
    st.builds(Root, st.sampled_from(["Pictures", "/mnt/disk", "work", "none"])),
    st.builds(Camera, st.sampled_from(["canon", "pixel 8", "leica"])),
    st.builds(Format, st.just("x"), st.sampled_from([frozenset({"NEF"}), frozenset({"JPEG", "HEIC"})])),
    st.builds(Near, lat=st.floats(-90, 90), lon=st.floats(-180, 180), metres=st.floats(1, 2e7)),
    st.builds(Orientation, st.sampled_from(["portrait", "landscape", "square", "panorama"])),
    st.builds(
        Size,
        st.sampled_from(["pixels", "side", "bytes"]),
        low=st.none() | st.sampled_from([10, 100, 10_000, 4_000]),
        high=st.none() | st.sampled_from([100, 4_000, 5_000_000, 12_000_000]),
        exclusive=st.booleans(),
    ),
)
filters = st.lists(
    st.builds(
        lambda some, negated: Filter("key", tuple(some), negated=negated),
        st.lists(tests, min_size=1, max_size=3),
        st.booleans(),
    ),
    max_size=3,
)


def holds(test: Test, each: Photo) -> bool:  # noqa: PLR0911, C901 - one clause for each kind
    """Return whether a test holds for one photo, without arrays."""
    info = each.info
    folder = each.path.rpartition("/")[0]
    match test:
        case TakenBetween(start, end):
            when = dt.datetime.fromisoformat(info.taken_at) if info.taken_at else None
            return when is not None and (start is None or start <= when) and (end is None or when < end)
        case Undated():
            return info.taken_at is None
        case Folder(pattern):
            if pattern.startswith("/"):
                return f"{folder}/".startswith(f"{pattern}/")
            root = ROOTS.root_of(folder) or ""
            inside = folder[len(root.rpartition("/")[0]) :].lower().strip("/").split("/")
            parts = pattern.lower().split("/")
            return any(inside[at : at + len(parts)] == parts for at in range(len(inside)))
        case Root(name):
            root = ROOTS.root_of(folder) or ""
            return name.lower() in (root.lower(), root.rpartition("/")[2].lower())
        case Camera(words):
            return info.camera is not None and f" {words} " in f" {info.camera.lower()} "
        case Format(formats=formats):
            return info.format in formats
        case Near(lat=lat, lon=lon, metres=metres):
            return info.lat is not None and info.lon is not None and _metres(info.lat, info.lon, lat, lon) <= metres
        case Orientation(shape):
            sides = sorted((info.width, info.height))
            shapes = {"portrait": info.height > info.width, "landscape": info.width > info.height}
            return shapes.get(shape, sides[0] == sides[1] if shape == "square" else sides[1] >= 2 * sides[0])
        case Size(of, low=low, high=high, exclusive=exclusive):
            sizes = {"pixels": info.width * info.height, "side": max(info.width, info.height)}
            size = sizes.get(of, each.fingerprint.size)
            above = low is None or (size > low if exclusive else size >= low)
            return above and (high is None or (size < high if exclusive else size <= high))


def _metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Return the great-circle distance, from the chord between two vectors."""
    one, other = (_vector(math.radians(a), math.radians(o)) for a, o in ((lat, lon), (other_lat, other_lon)))
    return 2 * 6_371_008.8 * math.asin(min(math.dist(one, other) / 2, 1))


def _vector(lat: float, lon: float) -> tuple[float, float, float]:
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


@given(libraries, filters)
@settings(max_examples=400, deadline=None)
def test_a_mask_equals_a_loop_over_all_photos(library: list[Photo], terms: list[Filter]) -> None:
    mask = COMPILER.compile(terms)(Columns(library))
    expected = [
        all(any(holds(test, each) for test in term.tests) != term.negated for term in terms) for each in library
    ]
    assert mask.tolist() == expected


@given(libraries, st.floats(0, 2), st.floats(0, 2))
def test_only_photos_indexed_in_the_time_count(library: list[Photo], since: float, until: float) -> None:
    mask = COMPILER.compile((), IndexedSpan(times=(since, None)))(Columns(library))
    assert mask.tolist() == [each.indexed_at > since for each in library]
    mask = COMPILER.compile((), IndexedSpan(times=(since, until)))(Columns(library))
    assert mask.tolist() == [since < each.indexed_at <= until for each in library]
    mask = COMPILER.compile((), IndexedSpan(sequence=(3, 7)))(Columns(library))
    assert mask.tolist() == [3 < each.sequence <= 7 for each in library]


def test_an_empty_library_has_an_empty_mask() -> None:
    assert COMPILER.compile(parse("date:2024 in:x camera:y", TODAY).filters)(Columns()).shape == (0,)


def test_names_of_removed_rows_are_removed_in_time() -> None:
    columns = Columns()
    for number in range(5_000):
        columns.put_row(0, at("a", f"/home/me/Pictures/{number}"))
    assert len(columns.folders) <= 1_001
    assert columns.folders.listed()[columns["folder"][0]] == "/home/me/Pictures/4999"
    assert columns["folder"].dtype == np.int32
