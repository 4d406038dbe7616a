"""Dates in file names, as phones, messengers and programs for screenshots write them."""

from __future__ import annotations

import pytest

from phsearch.domain.types import Fingerprint, Photo, PhotoInfo, date_in_name


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("IMG-20201018-WA0007.jpg", "2020-10-18"),
        ("PXL_20210102_030405678.jpg", "2021-01-02T03:04:05"),
        ("PXL_20210102_030405678.MP.jpg", "2021-01-02T03:04:05"),
        ("Screenshot_20220304-112233_Chrome.png", "2022-03-04T11:22:33"),
        ("Screenshot from 2023-10-04 09-41-00.png", "2023-10-04T09:41:00"),
        ("Screenshot 2023-10-04 at 9.41.00\u202fPM.png", "2023-10-04T21:41:00"),
        ("Bildschirmfoto 2023-10-04 um 09.41.00.png", "2023-10-04T09:41:00"),
        ("WhatsApp Image 2020-01-31 at 12.34.56 AM.jpeg", "2020-01-31T00:34:56"),
        ("signal-2020-01-31-123456.jpg", "2020-01-31T12:34:56"),
        ("signal-2020-01-31-12-34-56-789.jpg", "2020-01-31T12:34:56"),
        ("photo_2020-01-31_12-34-56.jpg", "2020-01-31T12:34:56"),
        ("20200131_123456(0).jpg", "2020-01-31T12:34:56"),
        ("2020-01-31 12.34.56.jpg", "2020-01-31T12:34:56"),
        ("2020-01-31.jpg", "2020-01-31"),
        ("DJI_20220101123456_0001_D.JPG", "2022-01-01T12:34:56"),
        ("WP_20140101_12_34_56_Pro.jpg", "2014-01-01T12:34:56"),
        ("00000IMG_00000_BURST20200101123456789_COVER.jpg", "2020-01-01T12:34:56"),
        ("mmexport1400000000123.jpg", "2014-05-13T16:53:20+00:00"),
        ("FB_IMG_1400000000123.jpg", "2014-05-13T16:53:20+00:00"),
        ("scan 20200131.tif", "2020-01-31"),
        ("DSC01234.jpg", None),
        ("IMG_1234.jpg", None),
        ("20111213_1234567890_n.jpg", None),
        ("120200131_5.jpg", None),
        ("202001315.jpg", None),
        ("20201301.jpg", None),
        ("20200230.jpg", None),
        ("18991231.jpg", None),
        ("received_1400000000123456.jpeg", None),
        ("20200131", None),
        ("", None),
    ],
)
def test_a_name_says_when_a_photo_was_taken_only_where_it_does(name: str, date: str | None) -> None:
    assert date_in_name(f"/p 2001-01-01/{name}") == date


def test_the_date_in_a_photo_is_better_than_that_in_its_name() -> None:
    def photo(name: str, info: PhotoInfo) -> Photo:
        return Photo(f"/p/{name}", "/p", Fingerprint(1, 1), b"", info, 0.0)

    dated = PhotoInfo(1, 1, "JPEG", "2001-02-03T04:05:06", date_source="xmp")
    assert (photo("2020-01-31.jpg", dated).taken_at, photo("2020-01-31.jpg", dated).date_source) == (
        "2001-02-03T04:05:06",
        "xmp",
    )
    undated = photo("2020-01-31.jpg", PhotoInfo(1, 1, "JPEG"))
    assert (undated.taken_at, undated.date_source) == ("2020-01-31", "name")
    none = photo("a.jpg", PhotoInfo(1, 1, "JPEG"))
    assert (none.taken_at, none.date_source) == (None, None)
