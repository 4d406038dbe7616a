"""Numbers as people read them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_HUNDRED, _THOUSAND = 100, 1000


def counted(count: int, thing: str) -> str:
    """Say how many: "1 photo", "12,345 photos"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def amount(size: int) -> str:
    """Say how many bytes: "812 B", "3.4 MB"."""
    value, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < _THOUSAND:
            break
        value, unit = value / _THOUSAND, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= _HUNDRED else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """Say how long, in at most two units: "8 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"."""
    whole = max(round(seconds), 0)
    for size, big, small, name in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {big} {rest} {name}" if rest else f"{whole // size} {big}"
    return f"{whole} s"
