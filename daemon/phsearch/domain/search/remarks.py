"""What may be wrong with the words of a query: said beside the hits, since a name may look like a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.query.ast import Phrase
from phsearch.domain.search.languages import correct, corrections, foreign_language

if TYPE_CHECKING:
    from phsearch.domain.query.ast import Query


@dataclass(frozen=True, slots=True)
class Remarks:
    """`did_you_mean` is another query; `language` is the one that the words seem to be of."""

    did_you_mean: str | None = None
    language: str | None = None


def remark(text: str, query: Query, *, english_only: bool) -> Remarks:
    """Return the remarks on a query, `text` as it was typed. Only for an English model a language is one."""
    phrases = [aim.text for aim in query.aims if isinstance(aim, Phrase)]
    if language := next(filter(None, map(foreign_language, phrases)), None):
        return Remarks(language=language) if english_only else Remarks()
    wrong = {word: other for phrase in phrases for word, other in corrections(phrase).items()}
    return Remarks(did_you_mean=correct(text, wrong) if wrong else None)
