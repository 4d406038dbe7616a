"""Queries for labelled photos, and what they mean among photos that have labels, captions, or both kinds mixed.

A label is judged within its own set: the photos of the other labels there do not show it. Photos of other sets and
captioned ones do not show it where nothing that is said of them touches the label or what it belongs to. Wider words
("food", "bird") are true of far more photos than say so, and are judged within the sets that use them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.calibration.truth import NO, UNKNOWN, YES, Case, content
from training.words.labels import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from training.photos.domains import LabelledPhoto

ANYWHERE = frozenset({"actions15", "clothes10", "daynight", "gray15", "pacs", "weather5"})
"""Sets whose labels are true of many photos that do not say so: people sit and wear shirts, and skies are cloudy."""


def labels(captioned: Sequence[CaptionedPhoto], labelled: Sequence[LabelledPhoto]) -> list[Case]:
    """Return a case for each label and each wider word, over the captioned photos and then the labelled ones."""
    shown = [terms_of(photo.kind, photo.label) for photo in labelled]
    said = [frozenset(word for caption in photo.captions for word in content(caption)) for photo in captioned]
    said += [_content_of(terms) for terms in shown]
    own: defaultdict[str, set[str]] = defaultdict(set)
    used: defaultdict[str, set[str]] = defaultdict(set)
    for photo, terms in zip(labelled, shown, strict=True):
        own[photo.label].update(terms)
        for term in terms:
            used[term].add(photo.kind)
    cases = []
    for term in sorted(used):
        touched = _content_of(own[term]) if term in own and not used[term] & ANYWHERE else None
        meant = [NO if touched is not None and not touched & words else UNKNOWN for words in said]
        for row, (photo, terms) in enumerate(zip(labelled, shown, strict=True), start=len(captioned)):
            if photo.kind in used[term] or term in terms:
                meant[row] = YES if term in terms else NO
        cases.append(Case(term, np.array(meant, np.int8)))
    return cases


def over_all(case: Case, labelled: int) -> Case:
    """Return a case of captioned photos over so many labelled ones as well, of which it says nothing."""
    unknown = np.full(labelled, UNKNOWN, np.int8)
    return Case(case.text, np.concatenate([case.meant, unknown]), case.photo)


def all_pairs(captioned: npt.NDArray[np.int8], labelled: Sequence[LabelledPhoto]) -> npt.NDArray[np.int8]:
    """Return for each two photos whether one is like the other, [n, n]: `captioned` [c, c], then those with labels."""
    labels_of = np.array([photo.label for photo in labelled])
    kinds = np.array([photo.kind for photo in labelled])
    together = np.full((len(captioned) + len(labelled),) * 2, UNKNOWN, np.int8)
    known = np.where(labels_of[:, None] == labels_of[None, :], YES, NO)
    known[kinds[:, None] != kinds[None, :]] = UNKNOWN
    np.fill_diagonal(known, UNKNOWN)
    together[: len(captioned), : len(captioned)] = captioned
    together[len(captioned) :, len(captioned) :] = known
    return together


def _content_of(terms: Sequence[str] | set[str]) -> frozenset[str]:
    return frozenset(word for term in terms for word in content(term))
