"""The soak tells growth from noise and from the teeth of a saw."""

from __future__ import annotations

import random

from soak import table
from soak.slope import growth


def test_a_slow_leak_under_much_noise_is_found() -> None:
    rng = random.Random(1)
    found = growth([100 + 0.1 * cycle + rng.uniform(-3, 3) for cycle in range(200)])
    assert found is not None
    assert found.low > 0
    assert 0.08 < found.slope < 0.12
    assert 15 < found.over_all < 25


def test_noise_and_the_teeth_of_a_saw_are_no_growth() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        noise = growth([100 + rng.uniform(-3, 3) for _ in range(200)])
        saw = growth([100 + cycle % 17 + rng.uniform(-1, 1) for cycle in range(240)])
        assert noise is not None
        assert saw is not None
        assert abs(noise.over_all) < 2
        assert abs(saw.over_all) < 3


def test_one_odd_sample_changes_nothing() -> None:
    found = growth([5.0] * 50 + [500.0] + [5.0] * 50)
    assert found is not None
    assert found.slope == 0


def test_a_few_samples_say_nothing() -> None:
    assert growth([1.0, 2.0, 3.0]) is None


def test_what_grows_by_more_than_its_noise_is_named() -> None:
    rows = [{"main own MB": 100 + cycle, "main files": 25 + cycle % 2, "cycle": cycle} for cycle in range(100)]
    lines, grown = table.verdicts(rows, 10)
    assert grown == ["main own MB"]
    assert any(line.startswith("main own MB") and "GROWS" in line for line in lines)
