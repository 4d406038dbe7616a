"""Prints the values of each cycle and the verdicts."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soak.slope import growth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 32


@dataclass(frozen=True, slots=True)
class TrackedValue:
    """A value that must not grow; `noise` is the growth over all judged cycles that is not significant."""

    name: str
    noise: float


FIGURES = (
    TrackedValue("main own MB", 8),
    TrackedValue("main RSS MB", 8),
    TrackedValue("main files", 3),
    TrackedValue("main threads", 8),
    TrackedValue("query worker own MB", 5),
    TrackedValue("query worker files", 2),
    TrackedValue("query worker threads", 2),
    TrackedValue("watches", 2),
    TrackedValue("disk MB", 2),
    TrackedValue("disk files", 40),
    TrackedValue("photos rows", 0),
    TrackedValue("photos fragments", 5),
    TrackedValue("photos versions", 20),
    TrackedValue("retired rows", 20),
    TrackedValue("retired fragments", 5),
    TrackedValue("retired versions", 20),
    TrackedValue("errors fragments", 5),
    TrackedValue("errors versions", 20),
    TrackedValue("volumes versions", 5),
    TrackedValue("p50 ms", 10),
    TrackedValue("p95 ms", 50),
)
"""Latencies are noisy on a busy machine; they are here because a leak in ranking would make them grow."""

_COLUMNS = (
    ("cycle", 5, 0), ("minutes", 7, 1), ("seconds", 7, 1), ("main own MB", 11, 1), ("query worker own MB", 19, 1),
    ("index worker own MB", 19, 1), ("main files", 10, 0), ("main threads", 12, 0), ("watches", 7, 0),
    ("disk MB", 7, 1), ("disk files", 10, 0), ("photos fragments", 16, 0), ("photos versions", 15, 0),
    ("retired rows", 12, 0), ("p50 ms", 6, 1), ("p95 ms", 6, 1),
)  # fmt: skip


def heading() -> str:
    """Return the heading above the lines."""
    return "  ".join(f"{name:>{width}}" for name, width, _ in _COLUMNS)


def line(row: Mapping[str, float]) -> str:
    """Return the line of one cycle."""
    return "  ".join(
        f"{row[name]:>{width},.{digits}f}" if name in row else " " * (width - 1) + "-"
        for name, width, digits in _COLUMNS
    )


def verdicts(rows: Sequence[Mapping[str, float]], warm: int) -> tuple[list[str], list[str]]:
    """Return the table of the growth after `warm` cycles, and the names of the values that grew beyond their noise."""
    lines = [f"{'figure':22}{'first':>10}{'last':>10}{'per cycle':>12}{'over all':>11}{'noise':>8}  verdict"]
    grown = []
    for figure in FIGURES:
        whole = [row[figure.name] for row in rows if figure.name in row]
        values = [row[figure.name] for row in rows[warm:] if figure.name in row]
        found = growth(values)
        if found is None:
            lines.append(f"{figure.name:22}  too few samples to judge")
            continue
        # The growth is certain, and more than the noise.
        grows = found.low > 0 and found.over_all > figure.noise
        if grows:
            grown.append(figure.name)
        ends = (statistics.median(values[:5]), statistics.median(values[-5:]))
        lines.append(
            f"{figure.name:22}{ends[0]:>10,.1f}{ends[1]:>10,.1f}{found.slope:>+12.3f}{found.over_all:>+11.1f}"
            f"{figure.noise:>8g}  {'GROWS' if grows else 'flat ':5}  {curve(whole)}"
        )
    return lines, grown


def curve(values: Sequence[float]) -> str:
    """Return all values as a curve in a line of text; each mark is the median of its share."""
    shares = min(_WIDTH, len(values))
    cuts = [len(values) * each // shares for each in range(shares + 1)]
    points = [statistics.median(values[start:end]) for start, end in itertools.pairwise(cuts)]
    low, high = min(points), max(points)
    if low == high:
        return _BARS[0] * shares
    return "".join(_BARS[round((point - low) / (high - low) * (len(_BARS) - 1))] for point in points)
