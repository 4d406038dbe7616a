"""Properties of every query."""

# ruff: noqa: RUF001 - as people type

from __future__ import annotations

import unicodedata
from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from phsearch.domain.query import describe, parse, quoted
from phsearch.domain.query.ast import Like, Phrase, Query
from phsearch.domain.query.lexer import clean
from phsearch.errors import QueryError
from phsearch.wire.filters import FILTERS as TABLE

TODAY = date(2024, 3, 1)

TRICKY = st.lists(
    st.sampled_from(
        [
            *'ab 1290.,:^+-"“”«»\\/<>=…：–—－＋「」＂２，、',
            "date:",
            "in:",
            "near:",
            "size:",
            "type:",
            "like:",
            "..",
            "2024",
            "km",
        ]
    )
).map("".join)
BLANKS = st.sampled_from([" ", "  ", "\t", "\u3000"])
WORDS = st.sampled_from(["beach", "t-shirt", "don't", "12:30", "café", "OR"])
AIMS = st.sampled_from(["+snow", "-people", '"red car"', "dog^2", '-"in suits"^0.5', "like:a.jpg", '-like:"a b.jpg"^3'])
FILTERS = st.tuples(st.sampled_from(["", "-"]), st.sampled_from([*TABLE.values()])).map(
    lambda parts: f"{parts[0]}{parts[1].key}:{parts[1].example}"
)


def result(text: str) -> Query | QueryError:
    try:
        return parse(text, TODAY)
    except QueryError as error:
        return error


@given(st.text() | TRICKY | st.lists(FILTERS | AIMS | WORDS | TRICKY).map(" ".join))
@example("\ud800:")
@example("K:x")  # the Kelvin sign
@example("in:\0")
@example("date:2199-12-31..2199-12-31")
def test_any_text_is_a_query_or_one_mistake_in_it(text: str) -> None:
    match result(text):
        case QueryError() as error:
            assert 0 <= error.start <= error.end <= len(text)
            assert error.start < error.end or not text
            assert str(error)
            assert error.hint
        case Query() as query:
            assert query.aims or query.filters
            parts = (*query.aims, *query.filters)
            assert all(0 <= part.place.start < part.place.end <= len(text) for part in parts)
            assert all(aim.text == clean(aim.text) != "" for aim in query.aims if isinstance(aim, Phrase))
            assert all(0.01 <= abs(aim.weight) <= 10 for aim in query.aims)
            assert all(term.tests for term in query.filters)
            assert all(text.value for text in describe(query))


@given(st.text().filter(str.strip))
def test_quoted_text_is_one_phrase_and_one_path_again(text: str) -> None:
    assert parse(quoted(text), TODAY) == Query((Phrase(clean(text)),))
    assert parse(f"like:{quoted(text)}", TODAY) == Query((Like(text),))


@given(st.lists(FILTERS | AIMS | WORDS, min_size=1), BLANKS)
def test_valid_terms_side_by_side_are_a_valid_query(terms: list[str], blank: str) -> None:
    query = parse(blank.join(terms), TODAY)
    assert list(query.filters) == [term for text in terms for term in parse(text, TODAY).filters]
    signed = [aim for text in terms for aim in parse(text, TODAY).aims if text[0] in '+-"' or ":" in text]
    assert all(aim in query.aims for aim in signed if not (isinstance(aim, Phrase) and aim.text == "12:30"))


@given(st.lists(FILTERS, unique=True), st.lists(AIMS | WORDS, min_size=1), st.randoms())
def test_the_order_of_filters_and_where_they_stand_change_nothing(
    filters: list[str], rest: list[str], random: object
) -> None:
    mixed = list(rest)
    for term in filters:
        mixed.insert(random.randint(0, len(mixed)), term)  # type: ignore[attr-defined]
    query = parse(" ".join(mixed), TODAY)
    assert query.aims == parse(" ".join(rest), TODAY).aims
    assert set(query.filters) == {parse(term, TODAY).filters[0] for term in filters}


@given(st.lists(WORDS | AIMS, min_size=1))
def test_composed_and_decomposed_characters_mean_the_same(terms: list[str]) -> None:
    text = " ".join(terms)
    assert parse(unicodedata.normalize("NFD", text), TODAY).aims == parse(text, TODAY).aims
