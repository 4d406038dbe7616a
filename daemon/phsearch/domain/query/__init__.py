"""The query language: text in, a `Query` out, every mistake with its place. Pure; the manual has the grammar."""

from __future__ import annotations

from phsearch.domain.query.parser import FilterText, describe, parse
from phsearch.domain.query.quotes import quoted

__all__ = ["FilterText", "describe", "parse", "quoted"]
