"""What becomes of a photo that was given to the index worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phsearch.domain.batching import Candidate
    from phsearch.domain.deaths import Cause
    from phsearch.domain.types import PhotoInfo, Vectors


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo has its vector, [dim]."""

    photo: Candidate
    info: PhotoInfo
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photo failed; `truncated` ones may just not be complete yet.

    `cause` says how it took the worker down, if it did: nobody has read the file to its end then, so whether it is
    still the file that was meant, and still there, is to be looked at.
    """

    photo: Candidate
    reason: str
    truncated: bool = False
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class ChangedMeanwhile:
    """A photo was rewritten while it was read: it must be looked at again."""

    photo: Candidate


Outcome = Embedded | Unreadable | ChangedMeanwhile
