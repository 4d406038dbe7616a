"""A model without a calibration gets one from the owner's photos and everyday phrases, by the first search."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from phsearch.domain.search import everyday
from phsearch.domain.search.own_calibration import EVERY, WORDS, own_calibration
from phsearch.domain.search.relevance import UNCALIBRATED, Calibration, probabilities
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.errors import NotReadyError
from phsearch.service.search.self_calibration import SelfCalibration
from phsearch.service.threads import SerialExecutor
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import ModelIdentity, Vectors
    from phsearch.service.search.query_embedder import TextVectorCache
    from phsearch.service.workers.model_state import ModelState

DIM = 16
IDENTITY = cast("ModelIdentity", object())


def unit(seed: int, rows: int) -> Vectors:
    found = np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)
    normal: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
    return normal


class FakeModel:
    """A bound model, which is replaced after so many texts."""

    epoch = 0
    epoch_after = 1_000_000
    bound: ModelIdentity | None = IDENTITY


class Rig:
    """A library of random photos and a model that knows a random vector for each text."""

    def __init__(self, photos: int) -> None:
        self.index = VectorIndex()
        self.index.load([photo(f"/p/{number}.jpg") for number in range(photos)], unit(1, photos))
        self.executor = SerialExecutor("rank")
        self.model = FakeModel()
        self.asked: list[str] = []
        self.most_at_once = 0
        self.problem: NotReadyError | None = None
        self.saved: list[Calibration] = []
        self.made = asyncio.Event()
        self.calibration = SelfCalibration(
            model=cast("ModelState", self.model),
            text_vectors=cast("TextVectorCache", self),
            index=self.index,
            rank_executor=self.executor,
            save=lambda _identity, made: self.saved.append(made),
            made=self.made.set,
        )

    async def text_vector(self, text: str, templates: Sequence[str]) -> Vectors:
        """Return the vector of a phrase."""
        assert len(templates) > 1
        self.asked.append(text)
        self.model.epoch = int(len(self.asked) > self.model.epoch_after)
        before = len(self.asked)
        await asyncio.sleep(0)
        self.most_at_once = max(self.most_at_once, len(self.asked) - before + 1)
        if self.problem is not None:
            raise self.problem
        vector: Vectors = unit(len(self.asked), 1)[0]
        return vector

    async def settled(self) -> None:
        """Wait until nothing is being made."""
        while (task := self.calibration._running) is not None:
            await task


def test_models_that_spread_their_cosines_differently_agree_on_what_is_probable() -> None:
    scores = np.random.default_rng(3).normal(0.1, 0.05, size=(40, 200)).astype(np.float32)
    narrow = scores * np.float32(0.3) + np.float32(0.2)
    one, other = WORDS.of_model(scores), WORDS.of_model(narrow)
    own = scores[0].astype(np.float64)
    np.testing.assert_allclose(
        one.logits(own, float(scores[0].std()), 200),
        other.logits(narrow[0].astype(np.float64), float(narrow[0].std()), 200),
        atol=0.01,
    )
    assert other.own > one.own


def test_a_photo_that_fits_far_better_than_everyday_phrases_do_is_probable() -> None:
    photos, phrases = unit(1, 300), unit(2, 300)
    made = own_calibration(photos, phrases)
    assert made.fitted
    assert not made.captioned
    assert made.own_photos == 300
    scores = photos @ phrases[0]
    scores[7] = scores.mean() + 9 * scores.std()
    found = probabilities(made, phrases[0], scores, "words")
    assert found is not None
    assert made.band(float(found[7])) == "strong"
    assert {made.band(float(each)) for each in np.delete(found, 7)} == {"none"}


OWN = own_calibration(unit(1, 100), unit(2, 50))


@pytest.mark.parametrize(
    ("photos", "calibration", "times"),
    [(99, UNCALIBRATED, 0), (100, UNCALIBRATED, 1), (399, OWN, 0), (400, OWN, 1)],
)
def test_it_begins_with_a_hundred_photos_and_again_with_four_times_as_many(
    photos: int, calibration: Calibration, times: int
) -> None:
    async def scenario() -> None:
        rig = Rig(photos)
        rig.calibration.consider(calibration)
        rig.calibration.consider(calibration)
        await rig.settled()
        assert len(rig.saved) == times, "once, though two searches asked for it"
        assert rig.made.is_set() == bool(times)
        if times:
            assert len(rig.asked) == len(everyday.phrases()[::EVERY])
            assert rig.saved[0].own_photos == photos
            assert rig.most_at_once <= 16, "a query waits for one short pass"
        rig.executor.close()

    asyncio.run(scenario())


def test_what_fails_is_tried_again_by_the_next_search() -> None:
    async def scenario() -> None:
        rig = Rig(200)
        rig.problem = NotReadyError("the model is loading")
        rig.calibration.consider(UNCALIBRATED)
        await rig.settled()
        assert rig.saved == []
        rig.problem = None
        rig.calibration.consider(UNCALIBRATED)
        await rig.settled()
        assert len(rig.saved) == 1
        rig.executor.close()

    asyncio.run(scenario())


def test_a_calibration_of_a_model_that_was_replaced_meanwhile_is_not_kept() -> None:
    async def scenario() -> None:
        rig = Rig(200)
        rig.model.epoch_after = 100
        rig.calibration.consider(UNCALIBRATED)
        await rig.settled()
        rig.executor.close()
        assert rig.model.epoch == 1
        assert rig.saved == []

    asyncio.run(scenario())
