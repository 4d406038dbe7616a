"""Every mistake in a query is reported with its place and what to write instead."""

from __future__ import annotations

from datetime import date

import pytest

from phsearch.domain.query import parse
from phsearch.errors import QueryError

TODAY = date(2024, 3, 1)


def mistake(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse(text, TODAY)
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        # shape
        ("", "", "empty", "dog on a beach"),
        ("  ", "  ", "empty", "dog on a beach"),
        ('a "b c', '"b c', "never closed", '\\"'),
        ("a “b c", "“b c", "never closed", "quote"),
        ('camera:"Pixel 8', '"Pixel 8', "never closed", "quote"),
        ('a "" b', '""', "nothing in the quotes", "leave them out"),
        ('camera:" "', '" "', "nothing in the quotes", "leave them out"),
        ('12" record', '"', "inside a word", '\\"'),
        ('"red"car', "car", "joined", "blank"),
        ('"red","blue"', ",", "joined", "blank"),
        ('in:a"b c"', '"', "inside a word", "quotes around all of it"),
        ("-", "-", 'nothing follows the "-"', "-word"),
        ("a - b", "-", 'nothing follows the "-"', "quotes"),
        ("a + b", "+", 'nothing follows the "+"', "quotes"),
        ("--date:2024", "--", "two signs", "-people"),
        ("a -+b", "-+", "two signs", "-people"),
        # weights
        ("beach^", "^", "no weight", "beach^2"),
        ("beach^x", "^x", "no weight", "beach^2"),
        ("beach^0", "^0", "out of range", "0.01 to 10"),
        ("beach^11", "^11", "out of range", "0.01 to 10"),
        ("beach^-2", "^-2", "no weight", "-beach^2"),
        ("beach^1e3", "^1e3", "no weight", "beach^0.5"),
        ("beach^nan", "^nan", "no weight", "beach^0.5"),
        ("beach^2^3", "^2^3", "no weight", "quotes"),
        ("^2", "^2", "nothing stands before", "beach^2"),
        ("-^2", "^2", "nothing stands before", "beach^2"),
        ("like:a^b.jpg", "^b.jpg", "no weight", "quotes"),
        ('camera:"Canon"^2', "^2", "no weight", 'camera:"Canon"'),
        # keys
        ("dog cmaera:x", "cmaera:", 'no filter "cmaera:"', 'did you mean "camera:"?'),
        ("-dat:2024", "dat:", 'no filter "dat:"', 'did you mean "date:"?'),
        ("folder:x", "folder:", 'no filter "folder:"', 'did you mean "in:"?'),
        ("qqqq:x", "qqqq:", 'no filter "qqqq:"', "there are like, date,"),
        ("cmaera:x", "cmaera:", "", "quotes"),
        ("date:", "date:", 'nothing follows "date:"', "date:2024-06"),
        ("date: 2022", "date:", 'nothing follows "date:"', "date:2022,"),
        ("-date: 2022", "-date:", 'nothing follows "date:"', "-date:2022,"),
        ("like:", "like:", 'nothing follows "like:"', "like:beach.jpg"),
        ("like: a.jpg", "like:", 'nothing follows "like:"', "like:a.jpg"),
        ("like:^2", "like:^2", "names no photo", "like:beach.jpg"),
        ("type:raw, heic", ",", "missing at the comma", "type:a,b"),
        ("type:,raw", ":,", "missing at the comma", "type:a,b"),
        ("type:a,,b", ",,", "missing at the comma", "type:a,b"),
        # dates
        ("date:2023-13", "2023-13", "no such month", "01 to 12"),
        ("date:2023-00", "2023-00", "no such month", "01 to 12"),
        ("date:2023-02-30", "2023-02-30", "no such day", "2023-02-28"),
        ("date:2024-02-30", "2024-02-30", "no such day", "2024-02-29"),
        ("date:2023-04-00", "2023-04-00", "no such day", "2023-04-30"),
        ("date:1799", "1799", "out of range", "1800 to 2199"),
        ("date:2200", "2200", "out of range", "1800 to 2199"),
        ("date:2023-09..2023-06", "2023-09..2023-06", "ends before it begins", "date:2023-06..2023-09"),
        ("date:..", "..", "no range", "date:2023.."),
        ("date:2022..2023..2024", "2022..2023..2024", "no range", "date:2023.."),
        ("date:06/2024", "06/2024", "no date", "write date:2024-06"),
        ("before:6.2024", "6.2024", "no date", "write before:2024-06"),
        ("date:31/12/2023", "31/12/2023", "no date", "write date:2023-12-31"),
        ("date:12/31/2023", "12/31/2023", "no date", "write date:2023-12-31"),
        ("date:01/06/2024", "01/06/2024", "no date", "date:2024-06-01 or date:2024-01-06"),
        ("date:20240601", "20240601", "no date", "write date:2024-06-01"),
        ("date:2023-2024", "2023-2024", "no date", "write date:2023..2024"),
        ("date:2023-06–2023-09", "2023-06–2023-09", "no date", "write date:2023-06..2023-09"),  # noqa: RUF001
        ("date:yestreday", "yestreday", "no date", "write date:yesterday"),
        ("date:June", "June", "no date", "date:2024-06"),
        ("date:2024-06-01T12:00", "2024-06-01T12:00", "no date", "date:2024-06-01"),
        ("date:2023～2024", "2023～2024", "no date", "write date:2023..2024"),  # noqa: RUF001
        ("year：2024 date：snow", "snow", "no date", "date:2024"),  # noqa: RUF001
        ("date:2024,2023-13", "2023-13", "no such month", "01 to 12"),
        ("before:2022..2023", "2022..2023", "not a range", "date:2023-06..2023-09"),
        ("after:none", "none", "no date", "after:2024"),
        # sizes
        ("size:12", "12", "no unit", "size:>12MP"),
        ("size:<=12", "<=12", "no unit", "size:<=12MP"),
        ("size:12MP", "12MP", "neither larger nor smaller", "size:>12MP"),
        ("size:>5MiB", ">5MiB", "no unit of size", "5MB"),
        ("size:>5ly", ">5ly", "no unit of size", "MP, px, KB, MB and GB"),
        ("size:>", ">", "no number", "size:>12MP"),
        ("size:big", "big", "no size", "size:>12MP"),
        ("size:-5MB", "-5MB", "no size", "size:>12MP"),
        ("size:..", "..", "no ends", "size:2MB..5MB"),
        ("size:2..5", "2..5", "no unit", "size:2MB..5MB"),
        ("size:2MB..5", "2MB..5", "no unit", "size:2MB..5MB"),
        ("size:5..", "5..", "no unit", "size:2MB..5MB"),
        ("size:2MB..5MP", "2MB..5MP", "two kinds", "two filters"),
        ("size:5MB..2MB", "5MB..2MB", "ends before it begins", "size:2MB..5MB"),
        # places
        ("near:Paris", "Paris", "latitude", "near:48.85,2.35"),
        ("near:48.85", "48.85", "longitude", "near:48.85,2.35"),
        ("near:48.85, 2.35", ",", "missing at the comma", "blanks"),
        ("near:1,2,3km,4", "1,2,3km,4", "latitude", "near:48.85,2.35"),
        ("near:91,2", "91,2", "latitude 91 is out of range", "-90 to 90"),
        ("near:2,-181", "2,-181", "longitude -181 is out of range", "-180 to 180"),
        ("near:48N,2E", "48N,2E", "no number of degrees", "minus"),
        ("near:nan,2", "nan,2", "no number of degrees", "minus"),
        ("near:48.85,2.35,10", "48.85,2.35,10", "no unit", "near:48.85,2.35,10km"),
        ("near:48.85,2.35,10ly", "48.85,2.35,10ly", "no unit", "near:48.85,2.35,10km"),
        ("near:48.85,2.35,far", "48.85,2.35,far", "no radius", "10km"),
        ("near:48.85,2.35,0m", "48.85,2.35,0m", "out of range", "20,038 km"),
        ("near:48.85,2.35,-1km", "48.85,2.35,-1km", "no radius", "10km"),
        ("near:48.85,2.35,30000km", "48.85,2.35,30000km", "out of range", "20,038 km"),
        # words with few values
        ("type:jpge", "jpge", "no type", "did you mean type:jpg?"),
        ("type:raw,word", "word", "no type", "nef"),
        ("orientation:potrait", "potrait", "no orientation", "did you mean orientation:portrait?"),
        ("orientation:up", "up", "no orientation", "panorama"),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_a_remedy(text: str, place: str, message: str, hint: str) -> None:
    error = mistake(text)
    assert text[error.start : error.end] == place
    assert message in str(error)
    assert hint in error.hint


def test_the_first_mistake_is_reported() -> None:
    assert mistake('date:x "a').start == 5
    assert mistake('"a date:x').start == 0


def test_a_remedy_can_be_followed() -> None:
    for text in ("date:06/2024", "date:2023-09..2023-06", "size:12", "size:5MB..2MB", "date:20240601", "date: 2024"):
        remedy = mistake(text).hint.removeprefix("write ").split()[0].rstrip(",;")
        assert parse(remedy, TODAY).filters


def test_no_sentence_is_too_long_to_read() -> None:
    for text in ("date:" + "x" * 900, "x" * 900 + ":y", "beach^" + "1" * 900, '"a"' + "b" * 900, "type:" + "j" * 900):
        assert len(mistake(text).sentence()) < 400
