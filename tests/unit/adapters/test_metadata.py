"""Metadata to facts: what real cameras and programs write, and invalid values."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from PIL.TiffImagePlugin import IFDRational

from phsearch.adapters.images import metadata
from phsearch.adapters.images.metadata.exif import read_ifds
from phsearch.adapters.images.metadata.values import parse_date, parse_position
from phsearch.adapters.images.metadata.xmp import MAX_BYTES, read_xmp
from phsearch.domain.types import PhotoInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

ORIGINAL, DIGITIZED, CHANGED = 0x9003, 0x9004, 0x0132
SUBSEC_ORIGINAL, OFFSET_ORIGINAL, OFFSET_CHANGED = 0x9291, 0x9011, 0x9010
GPS_TIME, GPS_DATE = 7, 29
MAKE, MODEL, LENS_MAKE, LENS_MODEL = 0x010F, 0x0110, 0xA433, 0xA434


def taken_at(
    main: Mapping[int, object], exif: Mapping[int, object], gps: Mapping[int, object] | None = None
) -> str | None:
    return read_ifds(main, exif, gps or {}).photo_info((1, 1), "JPEG").taken_at


def test_a_date_keeps_sub_second_and_offset() -> None:
    tags = {ORIGINAL: "2023:06:01 12:30:05", SUBSEC_ORIGINAL: "25", OFFSET_ORIGINAL: "+02:00"}
    assert taken_at({}, tags) == "2023-06-01T12:30:05.25+02:00"


def test_the_moment_of_exposure_wins_over_later_dates() -> None:
    main = {CHANGED: "2024:01:01 00:00:00"}
    assert taken_at(main, {ORIGINAL: "2020:05:06 07:08:09"}) == "2020-05-06T07:08:09"
    assert taken_at(main, {DIGITIZED: "2021:05:06 07:08:09"}) == "2021-05-06T07:08:09"
    assert taken_at(main, {}) == "2024-01-01T00:00:00"


def test_an_unset_clock_falls_through_to_the_next_date_with_that_dates_own_offset() -> None:
    tags = {ORIGINAL: "0000:00:00 00:00:00", OFFSET_ORIGINAL: "+09:00", OFFSET_CHANGED: "-03:30"}
    assert taken_at({CHANGED: "2022:02:03 04:05:06"}, tags) == "2022-02-03T04:05:06-03:30"


@pytest.mark.parametrize(
    "value",
    ["0000:00:00 00:00:00", "2023:13:01 00:00:00", "2023:02:30 00:00:00", "    :  :     :  :  ", "", "soon", 7, None,
     b"\xff\xfe", (1, 2), "20233:06:01 12:00:00", "1970:01:01 00:00:00", "1970:01:01", "2023", "2023-06", "May",
     "1 Foo 2023", "2023:06-01"],
)  # fmt: skip
def test_a_date_that_is_none_is_none(value: object) -> None:
    assert taken_at({CHANGED: value}, {}) is None


@pytest.mark.parametrize(
    "value", ["2023-06-01T12:30:05", "2023/06/01 12:30:05", b"2023:06:01 12:30:05\0", "2023:06:01 12:30:05 \0x"]
)
def test_other_hands_of_writing_a_date_are_read(value: object) -> None:
    assert taken_at({}, {ORIGINAL: value}) == "2023-06-01T12:30:05"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2014:06:01  9:05:03", "2014-06-01T09:05:03"),
        ("2014: 6: 1  9: 5: 3", "2014-06-01T09:05:03"),
        ("2014:06:01 24:00:00", "2014-06-02T00:00:00"),
        ("2014:06:30 23:59:60", "2014-07-01T00:00:00"),
        ("2014:06:01 09:05:03 PM", "2014-06-01T21:05:03"),
        ("2014:06:01 12:05:03 am", "2014-06-01T00:05:03"),
        ("2014-06-01T09:05:03Z", "2014-06-01T09:05:03+00:00"),
        ("2014-06-01T09:05:03.25-07:00", "2014-06-01T09:05:03.25-07:00"),
        ("2014-06-01T09:05", "2014-06-01T09:05:00"),
        ("20050708 141516+0200", "2005-07-08T14:15:16+02:00"),
        ("2014:06:01", "2014-06-01"),
        ("2014:06:01 :  :  ", "2014-06-01"),
        ("2014:06:01 25:00:00", "2014-06-01"),
        ("2014:06:01 12:61:00", "2014-06-01"),
        ("Sun, 04 Mar 2018 05:06:07 +0000", "2018-03-04T05:06:07+00:00"),
        ("9999:12:31 24:00:00", "9999-12-31"),
    ],
)
def test_a_sloppy_date_is_read_as_far_as_it_goes(text: str, date: str | None) -> None:
    assert parse_date(text) == date


def test_the_time_of_the_satellites_is_better_than_that_of_the_last_change_and_worse_than_any_of_the_camera() -> None:
    gps = {GPS_DATE: "2012:12:12", GPS_TIME: (IFDRational(9), IFDRational(5), IFDRational(7, 1))}
    assert taken_at({CHANGED: "2020:01:01 00:00:00"}, {}, gps) == "2012-12-12T09:05:07+00:00"
    assert taken_at({}, {DIGITIZED: "2011:01:01 00:00:00"}, gps) == "2011-01-01T00:00:00"
    assert taken_at({}, {}, {GPS_DATE: "2012:12:12", GPS_TIME: (IFDRational(1, 0),) * 3}) == "2012-12-12"
    assert taken_at({}, {}, {GPS_TIME: (1, 2, 3)}) is None


@pytest.mark.parametrize(
    ("fraction", "offset"), [("  ", "   :  "), ("-1", "+99:00"), ("x", "z."), (12, 2), ("²", "+2:00")]
)
def test_a_broken_sub_second_or_offset_costs_only_itself(fraction: object, offset: object) -> None:
    tags = {ORIGINAL: "2023:06:01 12:30:05", SUBSEC_ORIGINAL: fraction, OFFSET_ORIGINAL: offset}
    assert taken_at({}, tags) == "2023-06-01T12:30:05"


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
    assert read_ifds({MAKE: make, MODEL: model}, {}, {}).camera == camera


def test_a_lens_needs_a_model() -> None:
    assert read_ifds({}, {LENS_MAKE: "SIGMA", LENS_MODEL: "35mm F1.4"}, {}).lens == "SIGMA 35mm F1.4"
    assert read_ifds({}, {LENS_MAKE: "SIGMA"}, {}).lens is None


def test_a_very_long_name_is_cut() -> None:
    camera = read_ifds({MODEL: "x" * 100_000}, {}, {}).camera
    assert camera is not None
    assert len(camera) == 200


def position(tags: Mapping[int, object]) -> tuple[float, float] | None:
    return parse_position(tags[2], tags[1], tags[4], tags[3]) if tags else None


def gps(lat: object, lat_ref: object, lon: object, lon_ref: object) -> dict[int, object]:
    return {1: lat_ref, 2: lat, 3: lon_ref, 4: lon}


def test_south_and_west_are_negative() -> None:
    tags = gps((33, 51, 31.2), "S", (IFDRational(151), IFDRational(12), IFDRational(4)), "W")
    assert position(tags) == pytest.approx((-33.8586667, -151.2011111))


def test_degrees_may_be_decimal_and_minutes_fractional() -> None:
    assert position(gps((48.5,), "N", Fraction(27, 2), "E")) == (48.5, 13.5)
    assert position(gps((48, 30.6), "N\0", (13, 30, IFDRational(0, 0)), "east")) == pytest.approx((48.51, 13.5))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (gps((33, 51, 31.2), "s", (151, 12, 4), "w"), (-33.8586667, -151.2011111)),
        (gps((33, 30), "South", (151, 30), "West"), (-33.5, -151.5)),
        (gps((-33, 30, 0), None, (-151, 30, 0), None), (-33.5, -151.5)),
        (gps((-33, 30, 0), "S", (-151, 30, 0), "W"), (-33.5, -151.5)),
        (gps((-33.5,), "\0", (151.5,), " "), (-33.5, 151.5)),
        (gps("33,30.6S", None, "151,12,36W", None), (-33.51, -151.21)),
        (gps("-33.5", "", "+151.5", ""), (-33.5, 151.5)),
        (gps((0, 0, 0), "N", (9, 27, 0), "E"), (0.0, 9.45)),
        (gps((17, 0, 0), "S", (180, 0, 0), "W"), (-17.0, -180.0)),
    ],
)
def test_signs_and_letters_of_any_hand_give_the_hemisphere(
    tags: dict[int, object], expected: tuple[float, float]
) -> None:
    assert position(tags) == pytest.approx(expected)


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
    assert position(tags) is None


def test_no_tags_are_no_facts() -> None:
    assert read_ifds({}, {}, {}) == metadata.Facts()


XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:p="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    ' xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>   '
)


def xmp(attributes: str = "", elements: str = "") -> str:
    return XMP.format(attributes=attributes, elements=elements)


def test_xmp_says_when_where_and_with_what_a_photo_was_taken() -> None:
    facts = read_xmp(
        xmp(
            'p:DateCreated="2016-01-28T12:21:20+01:00" xmp:CreateDate="2017-01-01" tiff:Make="Canon" aux:Lens="50mm"',
            "<exif:GPSLatitude>48,51.5N</exif:GPSLatitude><exif:GPSLongitude>2,21.0W</exif:GPSLongitude>"
            "<tiff:Model>Canon EOS 6D</tiff:Model>",
        )
    )
    assert facts == metadata.Facts(
        dates={"xmp": "2016-01-28T12:21:20+01:00", "xmp-created": "2017-01-01"},
        camera="Canon EOS 6D",
        lens="50mm",
        lat=48.8583333,
        lon=-2.35,
    )


def test_a_property_of_xmp_may_be_a_list_and_the_first_of_it_counts() -> None:
    element = "<exif:DateTimeOriginal><rdf:Seq><rdf:li>2016-02-28</rdf:li></rdf:Seq></exif:DateTimeOriginal>"
    assert read_xmp(xmp(elements=element)).dates == {"xmp": "2016-02-28"}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "document",
    [
        "",
        "not XML",
        "<a><b></a>",
        XMP,
        BOMB + xmp('p:DateCreated="2016-01-28"'),
        BOMB + xmp(elements="<p:DateCreated>&b;</p:DateCreated>"),
        xmp('p:DateCreated="2016-13-28" exif:GPSLatitude="x"'),
        xmp('p:DateCreated="2016-01-28"') + " " * MAX_BYTES,
        b"\xff\xfe\x00",
        "<a>" * 100_000,
    ],
)
def test_xmp_that_is_damaged_hostile_or_huge_states_nothing(document: str | bytes) -> None:
    assert read_xmp(document) == metadata.Facts()


def test_a_sidecar_is_looked_for_under_the_names_that_programs_give_it() -> None:
    def names(name: str) -> set[str]:
        return {path.removeprefix("/p/") for path in metadata.sidecar_paths(f"/p/{name}")}

    assert {"a.jpg.xmp", "a.xmp", "a.jpg.json", "a.jpg.supplemental-metadata.json"} <= names("a.jpg")
    assert "a.jpg(2).json" in names("a(2).jpg")
    for word in ("edited", "bearbeitet", "modifié", "edytowane", "редактирано", "編集済み", "已编辑", "수정됨"):
        assert "a.jpg.json" in names(f"a-{word}.jpg")
    long = "x" * 60 + ".jpg"
    assert "x" * 46 + ".json" in names(long)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_sidecar_may_begin_with_a_byte_order_mark(encoding: str) -> None:
    takeout = '{"photoTakenTime": {"timestamp": "1400000000"}}'.encode(encoding)
    assert metadata.read_sidecar("/p/a.jpg.json", takeout).dates == {"sidecar": "2014-05-13T16:53:20+00:00"}
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="2014-05-13T16:53:20"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    assert metadata.read_sidecar("/p/a.xmp", xmp.encode(encoding)).dates == {"sidecar": "2014-05-13T16:53:20"}


def test_a_sidecar_fills_what_the_photo_does_not_state() -> None:
    takeout = b'{"photoTakenTime": {"timestamp": "1400000000"}, "geoData": {"latitude": 48.5, "longitude": -2.25}}'
    facts = metadata.read_sidecar("/p/a.jpg.json", takeout)
    empty, known = PhotoInfo(1, 1, "JPEG"), PhotoInfo(1, 1, "JPEG", "2001-01-01", "Canon", date_source="exif")
    assert facts.complete_info(empty) == PhotoInfo(
        1, 1, "JPEG", "2014-05-13T16:53:20+00:00", None, None, 48.5, -2.25, "sidecar"
    )
    assert facts.complete_info(known) == PhotoInfo(1, 1, "JPEG", "2001-01-01", "Canon", None, 48.5, -2.25, "exif")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"photoTakenTime": {"timestamp": "soon"}}', b'{"photoTakenTime": 5}', b"[" * 100_000,
        b'{"photoTakenTime": {"timestamp": "0"}, "geoData": {"latitude": 0.0, "longitude": 0.0}}',
        b'{"photoTakenTime": {"timestamp": "99999999999999999999"}}', b"\xff\xfe",
        b'{"photoTakenTime": {"timestamp": "0"}, "geoData": [1]}',
    ],
)  # fmt: skip
def test_a_damaged_takeout_file_states_nothing(content: bytes) -> None:
    assert metadata.read_sidecar("/p/a.jpg.json", content) == metadata.Facts()
