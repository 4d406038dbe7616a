"""Parsing a query: phrases, signs, weights, photos to be like, and filters."""

# ruff: noqa: RUF001 - as people type

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, get_args

import pytest

from phsearch.domain import file_type
from phsearch.domain.query import describe, parse, quoted
from phsearch.domain.query.ast import Filter, Like, Phrase, Query
from phsearch.domain.query.dates import TakenBetween, Undated
from phsearch.domain.query.measures import Near, Size
from phsearch.domain.query.mistakes import Place
from phsearch.domain.query.names import FORMATS, RAW, Camera, Folder, Format, Orientation, Root
from phsearch.errors import QueryError
from phsearch.wire.filters import FILTERS

if TYPE_CHECKING:
    from phsearch.domain.query.ast import Aim, Test

TODAY = date(2024, 3, 1)


def parsed(text: str) -> Query:
    return parse(text, TODAY)


def aims(text: str) -> tuple[Aim, ...]:
    query = parsed(text)
    assert not query.filters
    return query.aims


def tests_of(text: str) -> tuple[Test, ...]:
    (term,) = parsed(text).filters
    return term.tests


def test_of(text: str) -> Test:
    (test,) = tests_of(text)
    return test


test_of.__test__ = tests_of.__test__ = False  # type: ignore[attr-defined]


# --- what to rank by ----------------------------------------------------------------------------------------------


def test_words_side_by_side_are_one_phrase() -> None:
    assert aims("  beach \t sunset ") == (Phrase("beach sunset"),)


def test_quotes_and_signs_begin_separate_phrases() -> None:
    assert aims('dog "red car" on a beach +snow +"two words" cat') == (
        Phrase("dog"),
        Phrase("red car"),
        Phrase("on a beach"),
        Phrase("snow"),
        Phrase("two words"),
        Phrase("cat"),
    )


def test_a_minus_keeps_away() -> None:
    assert aims('beach -people -"people in suits"') == (
        Phrase("beach"),
        Phrase("people", -1),
        Phrase("people in suits", -1),
    )
    assert aims("-people") == (Phrase("people", -1),)


def test_a_weight_makes_a_word_a_separate_phrase() -> None:
    assert aims('a dog^2 runs "red car"^0.5 -x^2 -"y z"^.25 w^10 v^0.01') == (
        Phrase("a"),
        Phrase("dog", 2),
        Phrase("runs"),
        Phrase("red car", 0.5),
        Phrase("x", -2),
        Phrase("y z", -0.25),
        Phrase("w", 10),
        Phrase("v", 0.01),
    )


def test_like_mixes_with_words() -> None:
    assert aims('like:a.jpg +snow -Like:"a, b^.jpg"^2 +like:~/c,d.jpg^0.5') == (
        Like("a.jpg"),
        Phrase("snow"),
        Like("a, b^.jpg", -2),
        Like("~/c,d.jpg", 0.5),
    )


def test_a_path_stays_as_it_was_written() -> None:
    assert aims('like:"a  cafe\u0301 .jpg"') == (Like("a  cafe\u0301 .jpg"),)


@pytest.mark.parametrize(
    "text",
    [
        "t-shirt",
        "rock'n'roll don't",
        "C++",
        "12:30",
        "http://example.org/a?b=c",
        "note: milk",
        "what is this:",
        ":-)",
        "NOT a cat OR a dog AND a bird",
        "yesterday",
        "l’été",  # as autocorrect writes it
        "50% off, (really) #1 @home a/b é:x",
        "海滩",
    ],
)
def test_anything_but_signs_keys_and_quotes_is_text(text: str) -> None:
    assert aims(text) == (Phrase(text),)


def test_typographic_quotes_are_quotes_and_apostrophes_are_not() -> None:
    phrases = ("people in suits", "rotes Auto", "deux mots", "zwei Worte", "svenska", "l'été")
    text = "“people in suits” „rotes Auto“ «deux mots» »zwei Worte« ”svenska” „l'été”"
    assert aims(text) == tuple(map(Phrase, phrases))


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("date：2024 snow", "date:2024 snow"),
        ("date:２０２４", "date:2024"),
        ("ｄａｔｅ：２０２３－０６．．２０２３－０９", "date:2023-06..2023-09"),
        ("date:2023…2024", "date:2023..2024"),
        ("date:2024–06", "date:2024-06"),
        ("after：2024／06／01", "after:2024/06/01"),
        ("date:۲۰۲۴ before:२०२५", "date:2024 before:2025"),
        ("size：＞１２ＭＰ", "size:>12MP"),
        ("size：≥2MB", "size:>=2MB"),
        ("near：–33.8，151.2，10km", "near:-33.8,151.2,10km"),
        ("type：ｒａｗ，jpeg、heic", "type:raw,jpeg,heic"),
        ("–type：raw", "-type:raw"),
        ("－orientation：square", "-orientation:square"),
        ("in：Übung", "in:Übung"),
        ("beach –people", "beach -people"),
        ("beach —people −“in suits” ‑snow ‐rain", 'beach -people -"in suits" -snow -rain'),
        ("＋snow ﹣people^2", "+snow -people^2"),
        ("like：beach.jpg －like：“a b.jpg”", 'like:beach.jpg -like:"a b.jpg"'),
        ("「夏祭り」^2 花火", '"夏祭り"^2 花火'),
        ("『夏 祭り』 ＂red car＂ 〝a b〟", '"夏 祭り" "red car" "a b"'),
        ("in：「My Photos」", 'in:"My Photos"'),
        ("in:「A B」,C", 'in:"A B",C'),
        ("camera：“Pixel 8”", 'camera:"Pixel 8"'),
        ("snow\u3000date：2024", "snow date:2024"),
    ],
)
def test_signs_digits_and_quotes_of_other_keyboards_mean_what_they_look_like(typed: str, plain: str) -> None:
    assert parse(typed, TODAY) == parse(plain, TODAY)


@pytest.mark.parametrize(
    "text",
    [
        "東京「タワー」の夜",
        "「未完の引用",
        "彼は「はい」と言った、そして",
        "标题：海滩",
        "iPhone：写真",
        "note：milk",
        "海灘，日落。",
        "——你好",
        "beach – sunset",
        "–",
        "a–b",
        "ラーメン",
        "（＾▽＾）",
        "「」",
        "１２：３０",
        "『源氏物語』絵巻",
        "a＂b",
        "3−2",
    ],
)
def test_text_of_other_scripts_stays_text(text: str) -> None:
    assert aims(text) == (Phrase(text),)


def test_names_of_the_library_keep_their_characters() -> None:
    found = parse("in:旅行２０２４，夏 camera:“ＧＲ－３” root:写真、音楽", TODAY).filters
    assert [term.tests for term in found] == [
        (Folder("旅行２０２４，夏"),),
        (Camera("ＧＲ－３"),),
        (Root("写真、音楽"),),
    ]


def test_the_place_of_a_mistake_is_that_of_the_text_as_typed() -> None:
    with pytest.raises(QueryError, match="no such month") as caught:
        parse("雪 date：２０２４－１３", TODAY)
    assert (caught.value.start, caught.value.end) == (7, 14)


def test_a_backslash_makes_a_quote_plain_text() -> None:
    assert aims(r'"say \"hi\" \\ \n"') == (Phrase(r'say "hi" \ \n'),)


def test_phrases_are_cleaned() -> None:
    assert aims('cafe\u0301\u3000au\x0blait "cre\u0300me \n bru\u0302le\u0301e"') == (
        Phrase("café au lait"),
        Phrase("crème brûlée"),
    )


def test_a_filter_does_not_split_the_words_around_it() -> None:
    assert parsed("beach date:2024 sunset") == parsed("date:2024 beach sunset")


def test_places_are_characters_of_the_text_as_written() -> None:
    text = '  cafe\u0301 a -"b  c"^2 Like:x.jpg  -Date:2024,2022 '
    query = parsed(text)
    places = [part.place for part in (*query.aims, *query.filters)]
    assert [text[place.start : place.end] for place in places] == [
        "cafe\u0301 a",
        '-"b  c"^2',
        "Like:x.jpg",
        "-Date:2024,2022",
    ]
    assert query.filters[0].value == "2024,2022"


def test_a_query_may_only_filter_or_only_keep_away() -> None:
    assert parsed("date:2024").aims == ()
    assert parsed("-like:a.jpg").aims == (Like("a.jpg", -1),)


# --- which photos count -------------------------------------------------------------------------------------------


def taken(start: str | None, end: str | None) -> TakenBetween:
    return TakenBetween(start and datetime.fromisoformat(start), end and datetime.fromisoformat(end))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("date:2024", "2024-01-01", "2025-01-01"),
        ("date:2024-02", "2024-02-01", "2024-03-01"),
        ("date:2023-12", "2023-12-01", "2024-01-01"),
        ("date:2024-02-29", "2024-02-29", "2024-03-01"),
        ("date:2023-12-31", "2023-12-31", "2024-01-01"),
        ("date:2024/06", "2024-06-01", "2024-07-01"),
        ("date:2024.6.1", "2024-06-01", "2024-06-02"),
        ("date:2023-06..2023-09", "2023-06-01", "2023-10-01"),
        ("date:2023-06-15..2023", "2023-06-15", "2024-01-01"),
        ("date:2023...2024-01", "2023-01-01", "2024-02-01"),
        ("date:2023…2024", "2023-01-01", "2025-01-01"),
        ('date:" 2023 .. 2024 "', "2023-01-01", "2025-01-01"),
        ("date:2023..", "2023-01-01", None),
        ("date:..2023", None, "2024-01-01"),
        ("date:Today", "2024-03-01", "2024-03-02"),
        ("date:yesterday", "2024-02-29", "2024-03-01"),
        ("date:yesterday..today", "2024-02-29", "2024-03-02"),
        ("date:1800", "1800-01-01", "1801-01-01"),
        ("date:2199-12-31", "2199-12-31", "2200-01-01"),
        ("before:2023-06", None, "2023-06-01"),
        ("before:today", None, "2024-03-01"),
        ("after:2023", "2024-01-01", None),
        ("AFTER:2024-02-28", "2024-02-29", None),
    ],
)
def test_a_date_is_a_period_and_a_range_includes_the_last_one(text: str, start: str | None, end: str | None) -> None:
    assert test_of(text) == taken(start, end)


def test_photos_without_a_date_can_be_asked_for() -> None:
    assert tests_of("date:none,2024") == (Undated(), taken("2024-01-01", "2025-01-01"))


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("in:Holidays/2023", (Folder("Holidays/2023"),)),
        ('in:A,"B, C",~/d/*', (Folder("A"), Folder("B, C"), Folder("~/d/*"))),
        ('in:" a  b "', (Folder(" a  b "),)),
        ("root:Pictures", (Root("Pictures"),)),
        ('camera:"Pixel  8"', (Camera("Pixel 8"),)),
        ("camera:canon,nikon", (Camera("canon"), Camera("nikon"))),
        ("orientation:Portrait,panorama", (Orientation("portrait"), Orientation("panorama"))),
    ],
)
def test_commas_outside_quotes_separate_alternatives(text: str, tests: tuple[Test, ...]) -> None:
    assert tests_of(text) == tests


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("near:48.85,2.35,10km", Near(lat=48.85, lon=2.35, metres=10_000)),
        ("near:48.85,2.35", Near(lat=48.85, lon=2.35, metres=5_000)),
        ("near:-33.9,+151.2,500m", Near(lat=-33.9, lon=151.2, metres=500)),
        ("near:−33.9,151.2,500M", Near(lat=-33.9, lon=151.2, metres=500)),  # a minus sign
        ("near:90,-180,1mi", Near(lat=90, lon=-180, metres=1609.344)),
        ('near:"48.85, 2.35, 10 km"', Near(lat=48.85, lon=2.35, metres=10_000)),
    ],
)
def test_near_is_a_point_and_a_radius(text: str, near: Near) -> None:
    assert test_of(text) == near


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("size:>12MP", Size("pixels", low=12e6, exclusive=True)),
        ("size:<2.5mp", Size("pixels", high=2.5e6, exclusive=True)),
        ("size:<=2MP", Size("pixels", high=2e6)),
        ("size:≥2MP", Size("pixels", low=2e6)),
        ("size:12MP..24MP", Size("pixels", low=12e6, high=24e6)),
        ("size:12..24MP", Size("pixels", low=12e6, high=24e6)),
        ("size:12MP..", Size("pixels", low=12e6)),
        ("size:..24MP", Size("pixels", high=24e6)),
        ("size:>=1920px", Size("side", low=1920)),
        ("size:>5MB", Size("bytes", low=5e6, exclusive=True)),
        ("size:500KB..1GB", Size("bytes", low=500e3, high=1e9)),
        ('size:"> 5 MB"', Size("bytes", low=5e6, exclusive=True)),
    ],
)
def test_sizes_are_of_pixels_the_longer_side_or_the_file(text: str, size: Size) -> None:
    assert test_of(text) == size


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("type:jpg", {"JPEG"}),
        ("type:JPEG", {"JPEG"}),
        ("type:heic", {"HEIC", "HEIF"}),
        ("type:tif", {"TIFF"}),
        ("type:.nef", {"NEF"}),
        ("type:*.CR3", {"CR3"}),
        ("type:raw", RAW),
    ],
)
def test_a_type_has_the_names_that_people_use(text: str, formats: set[str]) -> None:
    test = test_of(text)
    assert isinstance(test, Format)
    assert test.formats == formats


def test_types_cover_the_formats_of_the_decoder() -> None:
    raw = {suffix.removeprefix(".").upper() for suffix in file_type.RAW_SUFFIXES} | {"RAW"}
    headers = {b"\0\0\0\x18ftyp" + brand: kind for brand, kind in ((b"heic", "HEIF"), (b"mif1", "HEIF"))}
    heif = {file_type.display_name(header, "HEIF") for header in headers}
    others = {
        file_type.display_name(b"", kind) for kind in get_args(file_type.ImageFormat) if kind not in {"HEIF", "RAW"}
    }
    assert raw == RAW
    assert frozenset().union(*FORMATS.values()) == raw | heif | others


def test_a_minus_negates_a_filter_and_the_case_of_keys_does_not_matter() -> None:
    (term,) = parsed("-CAMERA:Canon,Nikon").filters
    assert term == Filter("camera", (Camera("Canon"), Camera("Nikon")), negated=True)
    assert term.place == Place(0, 19)
    assert parsed("+date:2024") == parsed("date:2024")


def test_every_example_of_a_filter_is_valid() -> None:
    for key, term in FILTERS.items():
        assert parsed(f"{key}:{term.example}").filters[0].key == key


def test_every_example_of_the_manual_is_a_filter_of_its_kind() -> None:
    for key, term in FILTERS.items():
        assert term.manual.endswith(".")
        for example in term.manual_examples:
            assert parsed(f"{key}:{example}").filters[0].key == key


# --- and back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("date:2024", "when", "2024"),
        ("date:2022..2024", "when", "2022..2024"),
        ("date:2024-06..2024-08", "when", "2024-06..2024-08"),
        ("date:2024-06-01..2024-08", "when", "2024-06..2024-08"),
        ("date:2024-06-02..2024-08", "when", "2024-06-02..2024-08-31"),
        ("date:today", "when", "2024-03-01"),
        ("date:2023..", "when", "from 2023"),
        ("after:2023-06-30", "when", "from 2023-07"),
        ("after:2023-01", "when", "from 2023-02"),
        ("before:2023-06-02", "when", "before 2023-06-02"),
        ("date:none,2022", "when", "no date known or 2022"),
        ("in:Holidays", "in", "Holidays"),
        ('camera:"Pixel 8",Canon', "camera", "Pixel 8 or Canon"),
        ("type:raw,heic", "type", "RAW or HEIC"),
        ("near:48.85,2.35,10km", "near", "at most 10 km from 48.85, 2.35"),
        ("near:48.85,2.35,500m", "near", "at most 500 m from 48.85, 2.35"),
        ("orientation:square", "orientation", "square"),
        ("size:>12MP", "size", "over 12 MP"),
        ("size:<12MP", "size", "under 12 MP"),
        ("size:1.5MB..1GB", "size", "1.5 to 1000 MB"),
        ("size:>=1920px", "size", "longer side at least 1920 px"),
        ("size:<=0.5KB", "size", "at most 0.5 KB"),
    ],
)
def test_a_filter_is_described_in_words(text: str, key: str, value: str) -> None:
    (filter_text,) = describe(parsed(text))
    assert (filter_text.key, filter_text.value, filter_text.negated) == (key, value, False)


def test_negated_filters_are_described_as_negated() -> None:
    filter_texts = describe(parsed("beach -camera:Canon in:A"))
    assert [(part.key, part.negated) for part in filter_texts] == [("camera", True), ("in", False)]


def test_quoted_text_is_always_one_phrase() -> None:
    for text in ('say "hi"', "a\\", '\\"', "-people", "date:2024", "x^2", "“a”", "a,b", "--"):
        assert aims(quoted(text)) == (Phrase(text),)
