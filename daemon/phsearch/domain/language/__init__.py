"""The language of queries: text in, a `Query` out, every mistake with its place. Pure; the README has the grammar."""

from __future__ import annotations

from phsearch.domain.language.parser import parse
from phsearch.domain.language.quoting import quoted
from phsearch.domain.language.wording import Said, describe

__all__ = ["Said", "describe", "parse", "quoted"]
