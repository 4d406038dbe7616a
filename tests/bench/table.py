"""Figures and how they are printed: each beside its yardstick, with its aim and whether that is met."""

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
class Aim:
    """What a figure, or its ratio to the yardstick, should be."""

    of: Literal["value", "ratio"]
    relation: Literal["<=", ">="]
    bound: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with what it is compared to; `against` is the yardstick's number in the same unit."""

    name: str
    value: float
    unit: str
    yardstick: str = ""
    against: float | None = None
    aim: Aim | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the yardstick."""
        return self.value / self.against if self.against else None

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.aim is None:
            return None
        value = self.value if self.aim.of == "value" else self.ratio
        assert value is not None
        return bool(_HOLDS[self.aim.relation](value, self.aim.bound))

    def cells(self) -> tuple[str, ...]:
        """Give the row of the table."""
        yardstick = f"{self.yardstick} {_number(self.against, self.unit)}" if self.against else self.yardstick
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        aim = ""
        if self.aim is not None:
            bound = _number(self.aim.bound, self.unit) if self.aim.of == "value" else f"{self.aim.bound:g} x"
            aim = f"{self.aim.relation} {bound}"
        return (self.name, _number(self.value, self.unit), yardstick, ratio, aim, _VERDICTS[self.met])

    def line(self) -> str:
        """Give the row on its own."""
        return "  ".join(cell for cell in self.cells() if cell)

    def record(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        aim = f"{self.aim.of} {self.aim.relation} {self.aim.bound:g}" if self.aim else None
        names = ("name", "value", "unit", "yardstick", "against", "note")
        return {name: getattr(self, name) for name in names} | {"ratio": self.ratio, "aim": aim, "met": self.met}


_VERDICTS = {True: "met", False: "MISSED", None: ""}


def report(facts: Mapping[str, str], figures: Sequence[Figure]) -> str:
    """Give the whole report: what was measured on, the table, the notes."""
    width = max(map(len, facts))
    lines = [f"{name:<{width}}  {value}" for name, value in facts.items()]
    rows = [_HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    notes = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, "", *table, "", *notes, ""])


def percentile(samples: Sequence[float], percent: int) -> float:
    """Give a percentile of at least two samples."""
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def _number(value: float, unit: str) -> str:
    return f"{value:,.{_decimals(value)}f} {unit}"


def _decimals(value: float) -> int:
    if value == int(value) or abs(value) >= 100:
        return 0
    return 1 if abs(value) >= 10 else 2
