"""A name that nothing in the library has is a mistake, and the nearest name is suggested."""

from __future__ import annotations

import datetime as dt

import pytest

from phsearch.domain.query import parse
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.columns import Columns
from phsearch.domain.search.filters import FilterCompiler
from phsearch.domain.search.suggestions import check_names, names_beginning
from phsearch.errors import QueryError
from support.photos import photo

ROOTS = Roots(["/home/me/Pictures"])
COLUMNS_OF = [
    photo("/home/me/Pictures/Holidays/2023/a.jpg", camera="Google Pixel 8"),
    photo("/home/me/Pictures/Wedding of Ann/b.jpg", camera="Canon EOS 6D"),
    photo("/home/me/Pictures/c.jpg"),
]
COLUMNS = Columns(COLUMNS_OF)


def error_of(query: str, columns: Columns = COLUMNS) -> QueryError:
    with pytest.raises(QueryError) as caught:
        check_names(parse(query, dt.date(2024, 1, 1)).filters, columns, FilterCompiler(ROOTS, "/home/me"), ROOTS)
    return caught.value


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        (
            'camera:"Pixle 8"',
            'no photo was taken with a camera called "Pixle 8"',
            'did you mean camera:"Google Pixel 8"?',
        ),
        ("camera:cannon", 'no photo was taken with a camera called "cannon"', 'did you mean camera:"Canon EOS 6D"?'),
        ("in:Holydays", 'there are no photos in a folder "Holydays"', "did you mean in:Holidays?"),
        ("in:Holidays/2032", 'there are no photos in a folder "Holidays/2032"', "did you mean in:2023?"),
        ("in:weding", 'there are no photos in a folder "weding"', 'did you mean in:"Wedding of Ann"?'),
        ("root:Picturs", 'no watched folder is called "Picturs"', "did you mean root:Pictures?"),
        ("-camera:leica", 'no photo was taken with a camera called "leica"', "leave it out"),
    ],
)
def test_the_nearest_name_is_suggested(query: str, message: str, hint: str) -> None:
    error = error_of(f"beach {query}")
    assert (str(error), error.hint) == (message, hint)
    assert (error.start, error.end) == (6, 6 + len(query)), "the place is that of the term"


@pytest.mark.parametrize("name", ["home", "me", "HOME", "home/me", "/home/me/Music", "leica"])
def test_a_name_above_the_watched_folders_is_not_suggested(name: str) -> None:
    for key in ("in", "root"):
        assert error_of(f"{key}:{name}").hint == "leave it out"


@pytest.mark.parametrize(
    "query",
    [
        "in:Holidays/2032",
        "in:/x/holidays",
        "in:pictures/x",
        "in:weddin",
        "root:Picture",
        "root:/x/pictures",
        "in:Tom,s",
        'in:"say hi"',
        "camera:cannon",
        'camera:"pixel 9"',
    ],
)
def test_what_is_suggested_differs_from_what_was_typed_and_leads_on(query: str) -> None:
    names = ["Tom, Sue", 'say "hi"', "「夏」", "12", "a：b", "-x-"]  # noqa: RUF001
    photos = [*COLUMNS_OF, *(photo(f"/home/me/Pictures/{name}/d.jpg") for name in names)]
    columns = Columns(photos)
    hint = error_of(query, columns).hint
    assert hint.startswith("did you mean ")
    meant = hint.removeprefix("did you mean ").removesuffix("?")
    assert meant != query
    check_names(parse(meant, dt.date(2024, 1, 1)).filters, columns, FilterCompiler(ROOTS, "/home/me"), ROOTS)


def test_names_that_match_something_are_accepted() -> None:
    query = 'camera:pixel in:holidays root:pictures -in:"wedding of ann" camera:canon,leica type:nef date:1990'
    with pytest.raises(QueryError, match="leica"):
        check_names(parse(query, dt.date(2024, 1, 1)).filters, COLUMNS, FilterCompiler(ROOTS, "/home/me"), ROOTS)
    check_names(
        parse(query.replace(",leica", ""), dt.date(2024, 1, 1)).filters,
        COLUMNS,
        FilterCompiler(ROOTS, "/home/me"),
        ROOTS,
    )


def test_in_an_empty_library_every_name_is_fine() -> None:
    check_names(
        parse("camera:x in:y root:z", dt.date(2024, 1, 1)).filters,
        Columns(),
        FilterCompiler(ROOTS, "/home/me"),
        ROOTS,
    )


@pytest.mark.parametrize(
    ("kind", "prefix", "names"),
    [
        ("camera", "", ["Canon EOS 6D", "Google Pixel 8"]),
        ("camera", "can", ["Canon EOS 6D"]),
        ("camera", "pixel", ["Pixel 8"]),
        ("camera", "x", []),
        ("folder", "", ["Holidays", "Wedding of Ann"]),
        ("folder", "hol", ["Holidays"]),
        ("folder", "Holidays/", ["Holidays/2023"]),
        ("folder", "holidays/2", ["Holidays/2023"]),
        ("folder", "/home", []),
    ],
)
def test_names_that_begin_so_are_listed_by_name(kind: str, prefix: str, names: list[str]) -> None:
    assert names_beginning(kind, prefix, COLUMNS, ROOTS) == names


def test_very_many_names_are_not_all_listed() -> None:
    columns = Columns([photo(f"/home/me/Pictures/{number}/a.jpg") for number in range(300)])
    assert len(names_beginning("folder", "", columns, ROOTS)) == 100


def test_names_begin_alike_in_any_case_and_form_of_accented_letters() -> None:
    columns = Columns([photo("/home/me/Pictures/\u00c9t\u00e9/a.jpg", camera="Caf\u00e9 One")])
    assert names_beginning("folder", "e\u0301T", columns, ROOTS) == ["\u00c9t\u00e9"]
    assert names_beginning("camera", "CAFE\u0301", columns, ROOTS) == ["Caf\u00e9 One"]


def test_names_of_photos_that_are_gone_are_not_suggested_and_take_no_memory() -> None:
    columns = Columns([photo("/home/me/Pictures/a/x.jpg", camera="Canon"), photo("/home/me/Pictures/b.jpg")])
    for number in range(5_000):
        columns.put_row(0, photo(f"/home/me/Pictures/{number}/x.jpg", camera=f"Model {number}"))
    assert len(columns.cameras) <= 1_001
    assert len(columns.folders) <= 1_001
    assert names_beginning("camera", "", columns, ROOTS) == ["Model 4999"]
    assert "Canon" in str(error_of("camera:Canon", columns))
    check_names(parse("camera:4999 in:4999", dt.date(2024, 1, 1)).filters, columns, FilterCompiler(ROOTS, "/"), ROOTS)
