"""Time limits of tests: seconds as a quiet machine needs them, times how slow this machine is now.

A limit is there to fail a test that hangs. It costs a passing test nothing, so it is generous.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

VARIABLE = "PHSEARCH_TEST_TIME_FACTOR"
"""Set for the processes of pytest-xdist and of tests, so that all use the same factor."""

_MARGIN = 2.0
"""Added to what was measured: the machine may become busier during the run."""

_HIGHEST = 20.0
_ROUNDS = 3
_LOOP = 500_000
_LOOP_SECONDS = 0.055
_START_SECONDS = 0.025
"""What a loop and the start of a process take on two quiet cores of a few years ago."""


def scaled(seconds: float) -> float:
    """Return a time limit for this machine, from one for a quiet machine."""
    return round(seconds * float(os.environ.get(VARIABLE, 1 + _MARGIN)), 3)


def measure_once() -> None:
    """Measure the factor of this run, unless a process above has."""
    os.environ.setdefault(VARIABLE, f"{_MARGIN + min(_HIGHEST, _slowness()):.1f}")


def _slowness() -> float:
    """Return how many times longer this machine takes than a quiet one, at least 1."""
    loop = start = 0.0
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        sum(number * number for number in range(_LOOP))
        looped = time.perf_counter()
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)
        loop += looped - begun
        start += time.perf_counter() - looped
    return max(1.0, loop / _ROUNDS / _LOOP_SECONDS, start / _ROUNDS / _START_SECONDS)
