"""What a closer look at one path shows, for the question why it is or is not found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from phsearch.domain.types import Fingerprint


@dataclass(frozen=True, slots=True)
class Sight:
    """One path on the disk. `link` is the first symbolic link on the way to it below its root, "" without one.

    `real` is the path with all links resolved; `fingerprint` is None where there is nothing.
    """

    kind: Literal["file", "folder", "nothing", "other"]
    real: str
    link: str = ""
    fingerprint: Fingerprint | None = None
