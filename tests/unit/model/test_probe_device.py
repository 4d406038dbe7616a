"""A precision is measured by the time that it takes, not by what other programs leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.lazy import LazyModule

probe_device = LazyModule("phsearch.worker.probe_device")


class Tower:
    """A tower whose calls take the next of these seconds, by a clock of its own."""

    def __init__(self, *seconds: float) -> None:
        self.left = list(seconds)
        self.now = 0.0
        self.sizes: list[int] = []

    def clock(self) -> float:
        return self.now

    def embed(self, pictures: list[Any]) -> np.ndarray:
        self.sizes.append(len(pictures))
        self.now += self.left.pop(0)
        return np.zeros((len(pictures), 2), np.float32)


def measured(tower: Tower) -> float:
    seconds, vectors = probe_device.time_embed(tower, [None] * 8, tower.clock)
    assert vectors.shape == (8, 2)
    return float(seconds)


def test_the_shortest_of_three_counts_and_the_first_only_warms_up() -> None:
    tower = Tower(9.0, 0.08, 0.04, 0.06)
    assert measured(tower) == pytest.approx(0.01)
    assert tower.sizes == [8, 4, 4, 4]


def test_photos_do_not_wait_for_more_rounds_of_a_slow_model() -> None:
    tower = Tower(9.0, 4.0)
    assert measured(tower) == 1.0
