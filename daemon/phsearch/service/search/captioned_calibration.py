"""Calibrates the model that answers on photos with captions, because somebody asked for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.calibration import truth
from phsearch.domain.calibration.fitting import Examples, fit
from phsearch.domain.search.own_calibration import LEAST_PHOTOS, TEMPLATES
from phsearch.errors import CannotCalibrateError, UnreadableImageError
from phsearch.service.search.query_embedder import embed_many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from phsearch.domain.calibration.truth import Case
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.types import ModelIdentity, Vectors
    from phsearch.service.search.query_embedder import ImageEmbedder, TextVectorCache
    from phsearch.service.workers.model_state import ModelState

log = logging.getLogger("phsearch.query")

MOST_PHOTOS = 1_000
"""More of them say nothing new."""
_LEAST_CAPTIONS = 300
"""So many captions are asked where few words are agreed on."""
_PLAIN = ("{}",)
_SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A model that was calibrated, on so many photos, without those that cannot be read."""

    model: ModelIdentity
    photos: int
    skipped: int
    queries: int


class CaptionedCalibration:
    """Makes one calibration at a time: `read` returns the photos of a folder, `save` writes it, `made` comes last."""

    def __init__(
        self,
        *,
        model: ModelState,
        text_vectors: TextVectorCache,
        image_embedder: ImageEmbedder,
        read: Callable[[str], Sequence[CaptionedPhoto]],
        save: Callable[[ModelIdentity, Calibration], None],
        made: Callable[[], None],
    ) -> None:
        self._model = model
        self._text_vectors = text_vectors
        self._image_embedder = image_embedder
        self._read = read
        self._save, self._made = save, made
        self._running = False

    async def calibrate(self, folder: str) -> Calibrated:
        """Fit the model's relevance to the photos of a folder.

        Raise CannotCalibrateError where they do not suffice or the model changes meanwhile, NotReadyError without one.
        """
        if self._running:
            raise CannotCalibrateError("the model is being calibrated already", "wait for that to end")
        self._running = True
        try:
            return await self._calibrate(folder)
        finally:
            self._running = False

    async def _calibrate(self, folder: str) -> Calibrated:
        self._model.check_ready()
        epoch, identity = self._model.epoch, self._model.bound
        assert identity is not None, "a model that is ready is bound"
        given = await asyncio.to_thread(self._read, folder)
        photos, vectors = await self._look(spread_out(given, MOST_PHOTOS))
        if len(photos) < LEAST_PHOTOS:
            raise CannotCalibrateError(
                f"{len(photos)} photos with captions in {folder} can be read, and {LEAST_PHOTOS} are needed",
                "the more photos, the better the calibration",
            )
        cases, words = await asyncio.to_thread(_questions, photos)
        texts = [case.text for case in cases]
        examples = Examples(
            cases=cases,
            words=words,
            texts={each: await embed_many(self._text_vectors, texts, each) for each in (_PLAIN, TEMPLATES)},
            photos=vectors,
            alike=await asyncio.to_thread(truth.pairs, photos),
        )
        try:
            found = await asyncio.to_thread(fit, examples, vectors)
        except ValueError:
            raise CannotCalibrateError(
                f"the captions in {folder} do not tell its photos apart", "each photo needs captions of its own"
            ) from None
        if epoch != self._model.epoch:
            raise CannotCalibrateError("another model took over meanwhile", "calibrate that one")
        await asyncio.to_thread(self._save, identity, found)
        self._made()
        log.info("the model has been calibrated on %d photos with captions", len(photos))
        return Calibrated(model=identity, photos=len(photos), skipped=len(given) - len(photos), queries=len(cases))

    async def _look(self, given: Sequence[CaptionedPhoto]) -> tuple[list[CaptionedPhoto], Vectors]:
        """Return the photos that can be read, and their vectors [n, dim]."""
        photos, vectors = [], []
        for photo in given:
            try:
                vectors.append(await self._image_embedder.image_vector(str(photo.path)))
            except UnreadableImageError:
                continue
            photos.append(photo)
        return photos, np.stack(vectors) if vectors else np.empty((0, 0), np.float32)


def spread_out(photos: Sequence[CaptionedPhoto], most: int) -> Sequence[CaptionedPhoto]:
    """Return at most so many of the photos, at equal distances."""
    if len(photos) <= most:
        return photos
    return [photos[at] for at in np.linspace(0, len(photos) - 1, most).astype(int)]


def _questions(photos: Sequence[CaptionedPhoto]) -> tuple[list[Case], int]:
    """Return words that captions agree on, as many captions, and how many words these are."""
    words, captions = truth.words(photos), truth.captions(photos)
    drawn = np.random.default_rng(_SEED).permutation(len(captions))[: max(len(words), _LEAST_CAPTIONS)]
    return [*words, *(captions[at] for at in drawn)], len(words)
