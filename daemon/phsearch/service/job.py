"""What a part of the daemon has in hand, put so that the heartbeat can tell work from hanging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """What a part is at. It stays equal while nothing comes of it; every bit of progress gives it another `step`."""

    what: str
    step: int


class Duty(Protocol):
    """A part that must not hang. `patience`: seconds at one job after which there is no hope that it ends."""

    @property
    def name(self) -> str:
        """The part as the log calls it."""

    @property
    def patience(self) -> float:
        """How long it may take over one job."""

    @property
    def job(self) -> Job | None:
        """What it is at; None while it has nothing to do."""
