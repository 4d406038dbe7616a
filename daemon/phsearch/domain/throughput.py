"""Which stage slows down indexing: reading, decoding, the model, or writing.

The thread of the index worker measures its time with the model and its time waiting for a photo to be decoded. The rest
of the time it waits for photos to arrive. The largest of the three names the stage. The rate that a stage could reach
alone follows from the time it was busy and the number of its photos; for too few photos it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

from phsearch.domain.throttle.policy import FULL, ThrottleState

if TYPE_CHECKING:
    from collections.abc import Mapping

Stage = Literal["idle", "measuring", "slowed", "reading", "decode", "model", "store"]
STAGES: tuple[Stage, ...] = ("idle", "measuring", "slowed", "reading", "decode", "model", "store")

_FEW = 8
"""Fewer photos do not make a rate."""
_WRITES_LAG = 512
"""Pending changes above which writing lags behind; the writer gathers 256 of them on purpose."""
_MOSTLY = 0.5
_REPORTED = ("decoding", "decoded", "waiting", "model", "embedded", "processor")
_MIN_SECONDS = 0.001
"""Less work makes a rate that is noise."""


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Seconds and photos so far. `reading` and `decoding` are sums over threads; the worker reports its own by batch.

    `waiting` is the time in which the thread of the model waited for photos to be decoded, `processor` the part
    of `decoding` in which a thread had a processor.
    """

    reading: float = 0.0
    read: int = 0
    decoding: float = 0.0
    decoded: int = 0
    waiting: float = 0.0
    model: float = 0.0
    embedded: int = 0
    processor: float = 0.0
    writing: float = 0.0
    written: int = 0

    def plus(self, more: StageCounts) -> StageCounts:
        """Return the sum."""
        return StageCounts(**{each.name: getattr(self, each.name) + getattr(more, each.name) for each in fields(self)})

    def since(self, before: StageCounts) -> StageCounts:
        """Return what was added after `before`."""
        return StageCounts(
            **{each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)}
        )


@dataclass(frozen=True, slots=True)
class Capacity:
    """The resources of the stages: threads that read, threads that decode, and the device of the model."""

    processors: int
    readers: int
    decode_threads: int
    device: str
    smallest: bool = False
    """Whether there is no smaller model."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Photos to be read, photos that the worker has or will get, and changes that wait to be written.

    `slowed` is the state of the throttle. While it holds indexing back no stage is the bottleneck.
    """

    unread: int
    unembedded: int
    unwritten: int
    slowed: ThrottleState = FULL


@dataclass(frozen=True, slots=True)
class Rates:
    """Photos a second: `reached`, and what each stage could reach alone. None is unknown."""

    reached: float | None = None
    reading: float | None = None
    decode: float | None = None
    model: float | None = None
    store: float | None = None


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The stage that slows down the others, with a sentence about it and a remedy."""

    stage: Stage
    text: str
    remedy: str = ""
    rates: Rates = field(default_factory=Rates)


def bottleneck(work: StageCounts, seconds: float, backlog: Backlog, capacity: Capacity) -> Bottleneck:
    """Return the stage that slowed down the others in the last `seconds`, in which `work` was done."""
    rates = Rates(
        _rate(work.embedded, seconds),
        _rate(work.read, work.reading / capacity.readers),
        _rate(work.decoded, work.decoding / capacity.decode_threads),
        _rate(work.embedded, work.model),
        _rate(work.written, work.writing),
    )
    stage = _stage(work, seconds, backlog)
    text, remedy = _describe(stage, rates, backlog, capacity)
    if stage in ("decode", "model") and (share := _share_of_processors(work)) is not None:
        remedy = f"other programs keep the processor busy: indexing gets {share:.0%} of it"
    return Bottleneck(stage, text, remedy, rates)


def _describe(stage: Stage, rates: Rates, backlog: Backlog, capacity: Capacity) -> tuple[str, str]:
    reached, model, decode = map(_format_rate, (rates.reached, rates.model, rates.decode))
    waiting = backlog.unread + backlog.unembedded + backlog.unwritten
    described: dict[Stage, tuple[str, str]] = {
        "idle": ("waiting for more photos" if waiting else "nothing to do", ""),
        "measuring": ("not measured yet: too few photos so far", ""),
        "slowed": (f"on purpose: {backlog.slowed}", _resume_command(backlog.slowed)),
        "reading": (
            f"reading-bound: {reached} photos/s reach the model, which could take {model}/s",
            "a faster disk or connection for the photos would help",
        ),
        "decode": (f"decode-bound: {reached} photos/s of the model's {model}/s", _more_decoding(capacity)),
        "model": (f"model-bound: {reached} photos/s of the decoders' {decode}/s", _faster_model(capacity)),
        "store": (
            f"store-bound: {_format_rate(rates.store)} changes/s are written, {backlog.unwritten:,} wait",
            "put the index on a faster disk: phsearchd --state-dir",
        ),
    }
    return described[stage]


def _stage(work: StageCounts, seconds: float, backlog: Backlog) -> Stage:
    upstream = backlog.unread + backlog.unembedded
    if not upstream:
        lagging = backlog.unwritten > _WRITES_LAG and work.writing > _MOSTLY * seconds
        return "store" if lagging else "idle"
    if backlog.slowed.state != "full":
        return "slowed"
    starved = max(seconds - work.waiting - work.model, 0.0)
    if work.embedded < _FEW:
        # A slow disk shows at once, a slow model only after its first batch.
        slow = backlog.unembedded < _FEW <= work.read and work.reading > _MOSTLY * seconds
        return "reading" if slow and backlog.unread else "measuring"
    if starved > max(work.model, work.waiting):
        return "reading" if backlog.unread else "idle"
    return "model" if work.model >= work.waiting else "decode"


def _share_of_processors(work: StageCounts) -> float | None:
    """Return the share of their time in which the decoding threads had a processor, if others had most of it."""
    if not work.processor or work.decoding < _MIN_SECONDS:
        return None
    share = work.processor / work.decoding
    return share if share < _MOSTLY else None


def _rate(photos: int, seconds: float) -> float | None:
    return round(photos / seconds, 1) if photos >= _FEW and seconds > _MIN_SECONDS else None


def _format_rate(rate: float | None) -> str:
    if rate is None:
        return "?"
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004 - two digits are enough


def _resume_command(throttle: ThrottleState) -> str:
    return "phsearch-client resume" if throttle.causes == ("owner",) else "phsearch-client resume --force"


def _more_decoding(capacity: Capacity) -> str:
    threads, processors = capacity.decode_threads, capacity.processors
    if threads < processors:
        return f"raise index.decode_threads (now {threads} of {processors} processors)"
    return f"all {processors} processors decode already: only more of them would help"


def _faster_model(capacity: Capacity) -> str:
    if capacity.device.startswith("cuda"):
        return "" if capacity.smallest else f"{capacity.device} does what it can: a smaller model would help"
    return "a GPU would help" if capacity.smallest else "a GPU or a smaller model would help"


class StageTotals:
    """The counts of some stages since the start, kept by the part that does the work. For the event loop only."""

    def __init__(self) -> None:
        self.work = StageCounts()

    def add_stage(self, **more: float) -> None:
        """Add to some of the fields of `StageCounts`."""
        self.work = self.work.plus(StageCounts(**more))  # type: ignore[arg-type]

    def add_times(self, times: Mapping[str, float]) -> None:
        """Add the times that the index worker reports with a batch."""
        self.add_stage(**{name: max(times.get(name, 0), 0) for name in _REPORTED})
