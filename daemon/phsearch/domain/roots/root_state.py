"""The states of a root and what leads from one to another. Only what looked at the disk may call one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.domain.types import RootState

RootFinding = Literal["scan begins", "there", "lost", "scanned", "scanned, unwatched"]
"""What was found out about a root: `there` after a scan of all of it, `scanned` when nothing is left to scan."""

_STARTING: Mapping[RootFinding, RootState] = {"scan begins": "scanning", "lost": "offline"}
_ONLINE: Mapping[RootFinding, RootState] = {
    "scan begins": "scanning",
    "there": "scanning",
    "lost": "offline",
    "scanned": "watching",
    "scanned, unwatched": "polling",
}
TRANSITIONS: Mapping[RootState, Mapping[RootFinding, RootState]] = {
    "starting": _STARTING,
    "scanning": _ONLINE,
    "watching": _ONLINE,
    "polling": _ONLINE,
    "offline": {"there": "scanning"},
}
"""The state after a finding; a finding that is not listed changes nothing. Only a scan brings a root back."""


def next_state(state: RootState, finding: RootFinding) -> RootState:
    """Return the state of a root after a finding."""
    return TRANSITIONS[state].get(finding, state)
