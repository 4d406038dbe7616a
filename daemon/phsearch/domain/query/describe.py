"""The filters of a query in words, for the person who wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.wire.filters import FILTERS

if TYPE_CHECKING:
    from phsearch.domain.query.ast import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterText:
    """One filter in words: "when", "2024-06..2024-08"; if it is negated, such photos are left out."""

    key: str
    value: str
    negated: bool


def describe(query: Query) -> tuple[FilterText, ...]:
    """Return what each filter of the query asks for, in their order."""
    return tuple(
        FilterText(
            key=FILTERS[term.key].label or term.key,
            value=" or ".join(test.text() for test in term.tests),
            negated=term.negated,
        )
        for term in query.filters
    )
