"""EXIF tags to values: what real cameras write, and invalid values."""

from __future__ import annotations

from fractions import Fraction

import pytest
from PIL.TiffImagePlugin import IFDRational

from phsearch.adapters.images import exif

ORIGINAL, DIGITIZED, CHANGED = 0x9003, 0x9004, 0x0132
SUBSEC_ORIGINAL, OFFSET_ORIGINAL, OFFSET_CHANGED = 0x9291, 0x9011, 0x9010
MAKE, MODEL, LENS_MAKE, LENS_MODEL = 0x010F, 0x0110, 0xA433, 0xA434


def test_a_date_keeps_sub_second_and_offset() -> None:
    tags = {ORIGINAL: "2023:06:01 12:30:05", SUBSEC_ORIGINAL: "25", OFFSET_ORIGINAL: "+02:00"}
    assert exif.taken_at({}, tags) == "2023-06-01T12:30:05.25+02:00"


def test_the_moment_of_exposure_wins_over_later_dates() -> None:
    main = {CHANGED: "2024:01:01 00:00:00"}
    assert exif.taken_at(main, {ORIGINAL: "2020:05:06 07:08:09"}) == "2020-05-06T07:08:09"
    assert exif.taken_at(main, {DIGITIZED: "2021:05:06 07:08:09"}) == "2021-05-06T07:08:09"
    assert exif.taken_at(main, {}) == "2024-01-01T00:00:00"


def test_an_unset_clock_falls_through_to_the_next_date_with_that_dates_own_offset() -> None:
    tags = {ORIGINAL: "0000:00:00 00:00:00", OFFSET_ORIGINAL: "+09:00", OFFSET_CHANGED: "-03:30"}
    assert exif.taken_at({CHANGED: "2022:02:03 04:05:06"}, tags) == "2022-02-03T04:05:06-03:30"


@pytest.mark.parametrize(
    "value",
    ["0000:00:00 00:00:00", "2023:13:01 00:00:00", "2023:02:30 00:00:00", "    :  :     :  :  ", "", "soon", 7, None,
     b"\xff\xfe", (1, 2), "2023:06:01", "2023:06:01 24:00:00", "20233:06:01 12:00:00",
     "1970:01:01 00:00:00"],
)  # fmt: skip
def test_a_date_that_is_none_is_none(value: object) -> None:
    assert exif.taken_at({CHANGED: value}, {}) is None


@pytest.mark.parametrize(
    "value", ["2023-06-01T12:30:05", "2023/06/01 12:30:05", b"2023:06:01 12:30:05\0", "2023:06:01 12:30:05 \0x"]
)
def test_other_hands_of_writing_a_date_are_read(value: object) -> None:
    assert exif.taken_at({}, {ORIGINAL: value}) == "2023-06-01T12:30:05"


@pytest.mark.parametrize(
    ("fraction", "offset"), [("  ", "   :  "), ("-1", "+99:00"), ("x", "Z"), (12, 2), ("²", "+2:00")]
)
def test_a_broken_sub_second_or_offset_costs_only_itself(fraction: object, offset: object) -> None:
    tags = {ORIGINAL: "2023:06:01 12:30:05", SUBSEC_ORIGINAL: fraction, OFFSET_ORIGINAL: offset}
    assert exif.taken_at({}, tags) == "2023-06-01T12:30:05"


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 6D", "Canon EOS 6D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Apple", "iPhone XS", "Apple iPhone XS"),
        ("FUJIFILM\0\0\0", "  X-T3 \0", "FUJIFILM X-T3"),
        ("Apple", None, "Apple"),
        (None, "Pixel 7", "Pixel 7"),
        ("   ", "\0", None),
        (b"Leica \xff", 5, "Leica"),
        (("SONY",), ("ILCE-7M3",), "SONY ILCE-7M3"),
        (["x"], {"y": 1}, None),
    ],
)
def test_a_camera_is_named_once_and_clean(make: object, model: object, camera: str | None) -> None:
    assert exif.read_ifds({MAKE: make, MODEL: model}, {}, {}).camera == camera


def test_a_lens_needs_a_model() -> None:
    assert exif.read_ifds({}, {LENS_MAKE: "SIGMA", LENS_MODEL: "35mm F1.4"}, {}).lens == "SIGMA 35mm F1.4"
    assert exif.read_ifds({}, {LENS_MAKE: "SIGMA"}, {}).lens is None


def test_a_very_long_name_is_cut() -> None:
    camera = exif.read_ifds({MODEL: "x" * 100_000}, {}, {}).camera
    assert camera is not None
    assert len(camera) == 200


def gps(lat: object, lat_ref: object, lon: object, lon_ref: object) -> dict[int, object]:
    return {1: lat_ref, 2: lat, 3: lon_ref, 4: lon}


def test_south_and_west_are_negative() -> None:
    tags = gps((33, 51, 31.2), "S", (IFDRational(151), IFDRational(12), IFDRational(4)), "W")
    assert exif.gps_position(tags) == pytest.approx((-33.8586667, -151.2011111))


def test_degrees_may_be_decimal_and_minutes_fractional() -> None:
    assert exif.gps_position(gps((48.5,), "N", Fraction(27, 2), "E")) == (48.5, 13.5)
    assert exif.gps_position(gps((48, 30.6), "N\0", (13, 30, IFDRational(0, 0)), "east")) == pytest.approx(
        (48.51, 13.5)
    )


@pytest.mark.parametrize(
    "tags",
    [
        {},
        gps(None, "N", (1, 2, 3), "E"),
        gps((IFDRational(0, 0),) * 3, "N", (IFDRational(0, 0),) * 3, "E"),
        gps((91, 0, 0), "N", (10, 0, 0), "E"),
        gps((10, 0, 0), "N", (181, 0, 0), "E"),
        gps((0, 0, 0), "N", (0, 0, 0), "E"),
        gps("10, 0, 0", "N", b"\0\0", "E"),
        gps((float("nan"), 0, 0), "N", (float("inf"), 0, 0), "E"),
        gps((), "N", (), "E"),
        gps(({}, []), "N", (None,), "E"),
        gps((10**400, 1, 1), "N", (1, 1, 1), "E"),
    ],
)
def test_a_position_that_cannot_be_is_none(tags: dict[int, object]) -> None:
    assert exif.gps_position(tags) == (None, None)


def test_no_tags_are_no_facts() -> None:
    assert exif.read_ifds({}, {}, {}) == exif.ExifData()
