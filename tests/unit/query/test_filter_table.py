"""All readers of the table of filters know exactly its keys, so that a new filter touches three files.

These are the table (wire/filters), the parser of its values with the test that it makes (domain/query), and the mask of
that test (domain/search/filters). A filter that asks for something no column holds adds that column, too.
"""

from __future__ import annotations

import re
import shlex
from datetime import date
from typing import TYPE_CHECKING

import pytest

from phsearch.cli.commands.search import search
from phsearch.cli.query_args import query_of
from phsearch.cli.query_options import OPTIONS, query_language, terms_of
from phsearch.domain.query import describe, parse
from phsearch.domain.query.parser import value_parsers
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.columns import Columns
from phsearch.domain.search.filters import FilterCompiler
from phsearch.errors import QueryError
from phsearch.wire.filters import FILTERS, LIKE, TERMS
from phsearch.wire.methods import METHODS
from support.photos import photo

if TYPE_CHECKING:
    from phsearch.wire.filters import QueryTerm

TODAY = date(2024, 3, 1)
filters = pytest.mark.parametrize("term", FILTERS.values(), ids=list(FILTERS))
synonyms = pytest.mark.parametrize(
    ("synonym", "key"), [(synonym, term.key) for term in TERMS.values() for synonym in term.synonyms]
)


def test_each_filter_has_a_parser_of_its_values() -> None:
    assert set(value_parsers(TODAY)) == set(FILTERS)


@filters
def test_each_filter_has_a_mask_and_a_text(term: QueryTerm) -> None:
    for value in (term.example, term.full_example or term.example):
        query = parse(f"{term.key}:{value}", TODAY)
        mask = FilterCompiler(Roots(["/p"]), "/home/me").compile(query.filters)(Columns([photo("/p/a.jpg")]))
        assert mask.shape == (1,)
        (text,) = describe(query)
        assert text.key == (term.label or term.key)
        assert text.value


@filters
def test_each_suggested_value_is_one(term: QueryTerm) -> None:
    for value in term.values:
        assert parse(f"{term.key}:{value}", TODAY).filters


def test_the_help_explains_each_key_in_ten_lines_that_a_shell_passes_on() -> None:
    lines = query_language()
    assert len(lines) == 10
    keys = [word.partition(":")[0] for example, _ in lines for word in shlex.split(example) if ":" in word]
    assert keys == [*TERMS, "-type"]
    for example, meaning in lines:
        assert meaning
        assert parse(query_of(shlex.split(example), lambda _path: False), TODAY)


def test_each_option_stands_for_its_term() -> None:
    named = {name: param for param in search.params for name in param.opts}
    for key, term in TERMS.items():
        if (option := term.option) is not None:
            assert OPTIONS[option.name][0] == key
            assert getattr(named[f"--{option.name}"], "help", None) == option.help
            query = parse(" ".join(terms_of({option.name: term.example.strip('"')})), TODAY)
            assert [each.key for each in query.filters] == ([] if term is LIKE else [key])


def test_the_help_shows_the_options_in_the_order_of_the_table() -> None:
    shown = [param.name for param in search.params if param.name in OPTIONS]
    assert shown == [term.option.name for term in TERMS.values() if term.option is not None]


def test_the_description_of_the_search_method_names_each_key() -> None:
    (detail,) = (param.detail for param in METHODS["search"].params if param.name == "query")
    assert [*re.findall(r"\b([a-z]+):", detail)] == list(TERMS)


@synonyms
def test_a_synonym_is_no_key_and_leads_to_one(synonym: str, key: str) -> None:
    assert synonym not in TERMS
    with pytest.raises(QueryError) as caught:
        parse(f"{synonym}:x", TODAY)
    assert f'did you mean "{key}:"?' in caught.value.hint
