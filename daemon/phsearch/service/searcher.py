"""Answer queries: what is said in the query language to a vector and a mask, those to photos on the rank lane."""

from __future__ import annotations

import asyncio
import datetime
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from phsearch.domain.exposition import Histogram
from phsearch.domain.language import parse
from phsearch.domain.moments import collapse
from phsearch.domain.search import Cut, Wanted, listed, rank_of, ranked, shares
from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.language.terms import Query
    from phsearch.domain.library import Library
    from phsearch.domain.ranking import VectorIndex
    from phsearch.domain.relevance import Judge
    from phsearch.domain.roots import Roots
    from phsearch.domain.search import Rank, Ranked
    from phsearch.domain.types import Photo
    from phsearch.service.aimer import Aimer
    from phsearch.service.lanes import Lane
