"""The text format that Prometheus reads, version 0.0.4: families of samples, as values."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["counter", "gauge", "histogram"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_QUOTE = '"'
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF


@dataclass(frozen=True, slots=True)
class Sample:
    """One number; `suffix` is what a histogram adds to its name."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name; a counter's ends in "_total"."""

    name: str
    kind: Kind
    help: str
    samples: tuple[Sample, ...]


class Histogram:
    """Counts seconds in buckets."""

    def __init__(self, bounds: Iterable[float]) -> None:
        self._bounds = tuple(sorted(bounds))
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def samples(self) -> tuple[Sample, ...]:
        """Give the buckets, each with all that is below its bound, the sum and the count."""
        bounds = [*(_number(bound) for bound in self._bounds), "+Inf"]
        running = zip(bounds, accumulate(self._counts), strict=True)
        buckets = [Sample(count, {"le": bound}, "_bucket") for bound, count in running]
        return (*buckets, Sample(self._sum, suffix="_sum"), Sample(sum(self._counts), suffix="_count"))


def metric(name: str, kind: Kind, help_: str, value: float | None) -> Family:
    """Make a family of a single sample, or of none where the value is not known."""
    return Family(name, kind, help_, () if value is None else (Sample(value),))


def labelled(name: str, kind: Kind, help_: str, label: str, values: Mapping[str, float | None]) -> Family:
    """Make a family with one sample for each value of a label; what is not known is left out."""
    samples = tuple(Sample(value, {label: each}) for each, value in values.items() if value is not None)
    return Family(name, kind, help_, samples)


def render(families: Iterable[Family]) -> str:
    """Write the families, without those that have no samples."""
    return "".join(_family(family) for family in families if family.samples)


def _family(family: Family) -> str:
    lines = [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.kind}"]
    lines += [f"{family.name}{each.suffix}{_labels(each.labels)} {_number(each.value)}" for each in family.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (name + "=" + _QUOTE + _label(value) + _QUOTE for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _label(value: str) -> str:
    return _escaped(_utf8(value)).replace(_QUOTE, r"\"")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _utf8(text: str) -> str:
    r"""Write bytes that are no UTF-8 as \xff, and so that no two names become one, a backslash as two."""
    return "".join(_character(char) for char in text)


def _character(char: str) -> str:
    if char == "\\":
        return r"\\"
    code = ord(char)
    return f"\\x{code - 0xDC00:02x}" if _FIRST_BYTE <= code <= _LAST_BYTE else char


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
