"""Remarks on words: a language that is not English, a slip of the finger, and emoji as the words they stand for."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.query import parse
from phsearch.domain.search import everyday
from phsearch.domain.search.languages import Remarks, corrections, foreign_language, remark
from phsearch.service.search.query_embedder import spelled_out

TODAY = dt.date(2026, 1, 1)


def remarks(text: str, *, english_only: bool = True) -> Remarks:
    return remark(text, parse(text, TODAY), english_only=english_only)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Fahrrad", "German"),
        ("Sonnenuntergang am Strand", "German"),
        ("chien", "French"),
        ("coucher de soleil", "French"),
        ("perro", "Spanish"),
        ("montaña", "Spanish"),
        ("spiaggia", "Italian"),
        ("verjaardag", "Dutch"),
        ("casamento", "Portuguese"),
    ],
)
def test_a_word_of_another_language_is_known_as_such(text: str, language: str) -> None:
    assert foreign_language(text) == language
    assert remarks(text) == Remarks(language=language)
    assert remarks(text, english_only=False) == Remarks(), "a model that knows it needs no remark"


@pytest.mark.parametrize("text", ["a dog on the beach", "Zermatt", "labradoodle", "auto", "my espresso", "Anna", ""])
def test_english_words_and_names_are_no_other_language(text: str) -> None:
    assert foreign_language(text) is None


def test_no_everyday_phrase_is_foreign_or_misspelt() -> None:
    for phrase in everyday.phrases():
        assert foreign_language(phrase) is None, phrase
        assert corrections(phrase) == {}, phrase


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("moutain", "mountain"),
        ("dgo", "dog"),
        ("snowy moutain -peolpe", "snowy mountain -people"),
        ("birthdya cake date:2023", "birthday cake date:2023"),
        ("my dgos", "my dogs"),
        ("resturaunt", "restaurant"),
        ("whiteborad", "whiteboard"),
    ],
)
def test_a_slip_of_the_finger_is_answered_with_what_may_be_meant(typed: str, meant: str) -> None:
    assert remarks(typed) == Remarks(did_you_mean=meant)


@pytest.mark.parametrize("text", ["dog", "like:/a/moutain.jpg", "in:moutain", "IMG_2041", "山"])
def test_what_is_no_word_of_the_query_is_not_corrected(text: str) -> None:
    assert remarks(text) == Remarks()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("\N{DOG FACE}", "dog"),
        ("\N{BEACH WITH UMBRELLA}\N{VARIATION SELECTOR-16}", "beach with umbrella"),
        ("\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16} dogs", "heart dogs"),
        ("\N{WOMAN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}\N{ZERO WIDTH JOINER}\N{ROCKET}", "woman rocket"),
        ("na\u00efve caf\u00e9", "na\u00efve caf\u00e9"),
        ("\u65e5\u843d", "\u65e5\u843d"),
    ],
)
def test_emoji_are_asked_by_their_names(typed: str, words: str) -> None:
    assert spelled_out(typed) == words


@given(st.text(max_size=40))
def test_no_text_is_too_odd_for_a_remark(text: str) -> None:
    foreign_language(text)
    corrections(text)
    spelled_out(text)
