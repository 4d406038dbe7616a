"""Singular, plural, article and case of a short phrase make no difference; longer phrases are asked as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.search import everyday
from phsearch.service.search.query_embedder import SHORT, one_wording

ONE_WORD = sorted(noun for noun in everyday.nouns() if noun.isalpha())
PLURALS = {"y": "ies", "s": "es", "x": "es", "ch": "es", "sh": "es"}


def plural(noun: str) -> str:
    """Return the regular plural."""
    for end, ending in PLURALS.items():
        if noun.endswith(end) and noun[-2:-1] not in "aeou":
            return noun[: -len(end)] + ending if end == "y" else noun + ending
    return noun + "s"


@pytest.mark.parametrize(
    ("phrase", "wording"),
    [
        ("a dog", "dog"),
        ("Dogs", "dog"),
        ("photos of dogs", "dog"),
        ("a picture of the dog", "dog"),
        ("my receipts", "receipt"),
        ("snowy mountains", "snowy mountain"),
        ("Christmas Trees", "christmas tree"),
        ("some  children", "child"),
        ("wolves", "wolf"),
        ("snowmen", "snowman"),
        ("firewomen", "firewoman"),
        ("a bus", "bus"),
        ("buses", "bus"),
        ("cities", "city"),
        ("a grape", "grapes"),
        ("Paris", "paris"),
        ("tennis", "tennis"),
        ("marmots", "marmot"),
        ("walrus", "walrus"),
    ],
)
def test_a_short_phrase_has_one_wording(phrase: str, wording: str) -> None:
    assert one_wording(phrase) == wording
    assert one_wording(wording) == wording


@pytest.mark.parametrize("pair", [("glass", "glasses"), ("scale", "scales"), ("short", "shorts")])
def test_words_that_mean_something_else_in_the_plural_keep_it(pair: tuple[str, str]) -> None:
    assert one_wording(pair[1]) == pair[1]


@pytest.mark.parametrize("phrase", ["two dogs in the snow", "sunset at the beach", "a man on a horse", ""])
def test_a_longer_phrase_is_asked_as_it_is(phrase: str) -> None:
    assert one_wording(phrase) is None


def test_over_every_everyday_noun_the_forms_that_people_type_agree() -> None:
    assert len(ONE_WORD) > 200
    for noun in ONE_WORD:
        forms = {one_wording(form) for form in (noun, f"a {noun}", f"The {noun}", noun.upper(), f"my {noun}")}
        assert forms == {one_wording(noun)}, noun
        singular = one_wording(noun) == noun and not noun.endswith("s")
        if singular and plural(noun) not in everyday.nouns():
            assert one_wording(plural(noun)) == one_wording(noun), noun


@given(st.text(max_size=30))
def test_every_text_has_a_wording_that_stays_or_none(text: str) -> None:
    wording = one_wording(text)
    if wording is not None:
        assert 1 <= len(wording.split()) <= SHORT
        assert one_wording(wording) in {wording, one_wording(one_wording(wording) or "")}
