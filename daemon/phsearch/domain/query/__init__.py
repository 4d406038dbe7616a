"""The language of queries: text in, a `Query` out, every mistake with its place. Pure; the README has the grammar."""

from __future__ import annotations

from phsearch.domain.query.describe import FilterText, describe
from phsearch.domain.query.lexer import quoted
from phsearch.domain.query.parser import parse

__all__ = ["FilterText", "describe", "parse", "quoted"]
