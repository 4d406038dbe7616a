"""Which stage holds up the photos: reading, decoding, the model, or writing.

The index worker's own thread is asked where it spends its time: with the model, or waiting for a photo to be decoded;
the rest of the clock it waits for photos at all. Whatever it mostly does names the stage. How fast each stage could be
by itself follows from how long it was busy with how many photos; where that is too little to say, nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from phsearch.domain.throttle.policy import FULL, ThrottleState

Stage = Literal["idle", "measuring", "slowed", "reading", "decode", "model", "store"]
STAGES: tuple[Stage, ...] = ("idle", "measuring", "slowed", "reading", "decode", "model", "store")

_FEW = 8
"""Fewer photos say nothing of a rate."""
_WRITES_LAG = 512
"""Changes that wait to be written; the writer gathers 256 of them on purpose."""
_MOSTLY = 0.5
_TRUSTED = 0.001
"""Seconds of work below which a rate is noise."""


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Seconds and photos so far. `reading` and `decoding` are sums over threads; those of the worker come by batches.

    `waiting` is how long the model's thread waited for photos that were still being decoded.
    """

    reading: float = 0.0
    read: int = 0
    decoding: float = 0.0
    decoded: int = 0
    waiting: float = 0.0
    model: float = 0.0
    embedded: int = 0
    writing: float = 0.0
    written: int = 0

    def plus(self, more: StageCounts) -> StageCounts:
        """Give the sum."""
        return StageCounts(**{each.name: getattr(self, each.name) + getattr(more, each.name) for each in fields(self)})

    def since(self, before: StageCounts) -> StageCounts:
        """Give what was added after `before`."""
        return StageCounts(
            **{each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)}
        )


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the stages have at hand: threads that read and that decode, and what the model runs on."""

    processors: int
    readers: int
    decode_threads: int
    device: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """Photos that are still to be read, those the worker has or is to get, and changes that wait to be written.

    `slowed` is how far the daemon holds back on purpose; where it does no stage is to blame.
    """

    unread: int
    unembedded: int
    unwritten: int
    slowed: ThrottleState = FULL


@dataclass(frozen=True, slots=True)
class Rates:
    """Photos a second: `reached`, and what each stage could do by itself. None: unknown."""

    reached: float | None = None
    reading: float | None = None
    decode: float | None = None
    model: float | None = None
    store: float | None = None


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The stage that holds up the others, in a sentence that names the way out."""

    stage: Stage
    text: str
    remedy: str = ""
    rates: Rates = field(default_factory=Rates)


def bottleneck(work: StageCounts, seconds: float, backlog: Backlog, machine: Capacity) -> Bottleneck:
    """Name the stage that held up the photos in the last `seconds`, in which `work` was done."""
    rates = Rates(
        _rate(work.embedded, seconds),
        _rate(work.read, work.reading / machine.readers),
        _rate(work.decoded, work.decoding / machine.decode_threads),
        _rate(work.embedded, work.model),
        _rate(work.written, work.writing),
    )
    stage = _stage(work, seconds, backlog)
    text, remedy = _words(stage, rates, backlog, machine)
    return Bottleneck(stage, text, remedy, rates)


def _words(stage: Stage, rates: Rates, backlog: Backlog, machine: Capacity) -> tuple[str, str]:
    reached, model, decode = map(_said, (rates.reached, rates.model, rates.decode))
    waiting = backlog.unread + backlog.unembedded + backlog.unwritten
    words: dict[Stage, tuple[str, str]] = {
        "idle": ("waiting for more photos" if waiting else "nothing to do", ""),
        "measuring": ("not measured yet: too few photos so far", ""),
        "slowed": (f"on purpose: {backlog.slowed}", _full_pace(backlog.slowed)),
        "reading": (
            f"reading-bound: {reached} photos/s reach the model, which could take {model}/s",
            "a faster disk or connection for the photos would help",
        ),
        "decode": (f"decode-bound: {reached} photos/s of the model's {model}/s", _more_decoding(machine)),
        "model": (f"model-bound: {reached} photos/s of the decoders' {decode}/s", _faster_model(machine)),
        "store": (
            f"store-bound: {_said(rates.store)} changes/s are written, {backlog.unwritten:,} wait",
            "put the index on a faster disk: phsearchd --state-dir",
        ),
    }
    return words[stage]


def _stage(work: StageCounts, seconds: float, backlog: Backlog) -> Stage:
    upstream = backlog.unread + backlog.unembedded
    if not upstream:
        lagging = backlog.unwritten > _WRITES_LAG and work.writing > _MOSTLY * seconds
        return "store" if lagging else "idle"
    if backlog.slowed.state != "full":
        return "slowed"
    starved = max(seconds - work.waiting - work.model, 0.0)
    if work.embedded < _FEW:
        # A slow disk shows at once; a slow model only when it has closed its first batch.
        slow = backlog.unembedded < _FEW <= work.read and work.reading > _MOSTLY * seconds
        return "reading" if slow and backlog.unread else "measuring"
    if starved > max(work.model, work.waiting):
        return "reading" if backlog.unread else "idle"
    return "model" if work.model >= work.waiting else "decode"


def _rate(photos: int, seconds: float) -> float | None:
    return round(photos / seconds, 1) if photos >= _FEW and seconds > _TRUSTED else None


def _said(rate: float | None) -> str:
    if rate is None:
        return "?"
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004 - two digits are enough


def _full_pace(pace: ThrottleState) -> str:
    return "phsearch-client resume" if pace.causes == ("owner",) else "phsearch-client resume --force"


def _more_decoding(machine: Capacity) -> str:
    threads, processors = machine.decode_threads, machine.processors
    if threads < processors:
        return f"raise index.decode_threads (now {threads} of {processors} processors)"
    return f"all {processors} processors decode already: only more of them would help"


def _faster_model(machine: Capacity) -> str:
    if machine.device.startswith("cuda"):
        return f"{machine.device} does what it can: a smaller model would help"
    return "a GPU or a smaller model would help"


# Seconds and photos of one stage or another, from the start on.


class StageTotals:
    """Kept by the part that does the work. Belongs to the event loop."""

    def __init__(self) -> None:
        self.work = StageCounts()

    def add_stage(self, **more: float) -> None:
        """Add to some of the fields of `Work`."""
        self.work = self.work.plus(StageCounts(**more))  # type: ignore[arg-type]

    def add_times(self, times: dict[str, Any]) -> None:
        """Take what the index worker says of a batch."""
        self.add_stage(
            **{name: max(times.get(name, 0), 0) for name in ("decoding", "decoded", "waiting", "model", "embedded")}
        )
