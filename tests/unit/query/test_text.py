"""A query is cleaned, and refused if the model would only find noise."""

from __future__ import annotations

import pytest

from phsearch.domain.query.lexer import clean
from phsearch.errors import UnsupportedQueryError
from phsearch.service.search.query_embedder import check_script


def test_whitespace_becomes_single_spaces() -> None:
    assert clean("  beach \n\t sunset ") == "beach sunset"


@pytest.mark.parametrize("query", ["海滩日落", "закат на пляже", "شاطئ", "ビーチ", "海滩 sun 日落之时"])
def test_a_script_the_model_never_learned_is_refused(query: str) -> None:
    with pytest.raises(UnsupportedQueryError, match="English") as caught:
        check_script(query, "mini")
    assert "multilingual" in caught.value.hint


@pytest.mark.parametrize("query", ["beach sunset", "café crème", "IMG_2034", "2023", "🐱", "Straße", "a 花 in a vase"])
def test_latin_letters_digits_and_symbols_are_accepted(query: str) -> None:
    check_script(query, "mini")
