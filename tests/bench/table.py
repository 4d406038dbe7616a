"""Measurements and how they are printed: with the yardstick, the target, and whether it is met."""

from __future__ import annotations

import operator
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HOLDS = {"<=": operator.le, ">=": operator.ge}
_HEADINGS = ("figure", "value", "yardstick", "ratio", "aim", "")


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a measurement, or of its ratio to the yardstick."""

    of: Literal["value", "ratio"]
    relation: Literal["<=", ">="]
    bound: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number and its comparison; `against` is the yardstick's number in the same unit."""

    name: str
    value: float
    unit: str
    yardstick: str = ""
    against: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The multiple of the yardstick."""
        return self.value / self.against if self.against else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.target is None:
            return None
        value = self.value if self.target.of == "value" else self.ratio
        assert value is not None
        return bool(_HOLDS[self.target.relation](value, self.target.bound))

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        yardstick = f"{self.yardstick} {_number(self.against, self.unit)}" if self.against else self.yardstick
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        aim = ""
        if self.target is not None:
            bound = _number(self.target.bound, self.unit) if self.target.of == "value" else f"{self.target.bound:g} x"
            aim = f"{self.target.relation} {bound}"
        return (self.name, _number(self.value, self.unit), yardstick, ratio, aim, _VERDICTS[self.met])

    def line(self) -> str:
        """Return the row as one line of text."""
        return "  ".join(cell for cell in self.cells() if cell)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        aim = f"{self.target.of} {self.target.relation} {self.target.bound:g}" if self.target else None
        names = ("name", "value", "unit", "yardstick", "against", "note")
        return {name: getattr(self, name) for name in names} | {"ratio": self.ratio, "aim": aim, "met": self.met}


_VERDICTS = {True: "met", False: "MISSED", None: ""}


def report(facts: Mapping[str, str], figures: Sequence[Measurement]) -> str:
    """Return the whole report: the machine, the table, the notes."""
    width = max(map(len, facts))
    lines = [f"{name:<{width}}  {value}" for name, value in facts.items()]
    rows = [_HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    notes = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, "", *table, "", *notes, ""])


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two samples."""
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def _number(value: float, unit: str) -> str:
    return f"{value:,.{_decimals(value)}f} {unit}"


def _decimals(value: float) -> int:
    if value == int(value) or abs(value) >= 100:
        return 0
    return 1 if abs(value) >= 10 else 2
