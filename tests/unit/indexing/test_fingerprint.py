"""Which files count as unchanged."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from phsearch.domain.library import Library
from phsearch.domain.types import Fingerprint
from support.photos import photo

KNOWN = Fingerprint(10, 20, 30)


@pytest.mark.parametrize(
    ("now", "unchanged"),
    [
        (Fingerprint(10, 20, 30), True),
        (Fingerprint(10, 20, 31), False),
        (Fingerprint(10, 20, None), True),
        (Fingerprint(10, 21, 30), False),
        (Fingerprint(11, 20, 30), False),
        (Fingerprint(11, 20, None), False),
    ],
)
def test_a_file_is_unchanged_while_size_and_known_times_are(now: Fingerprint, *, unchanged: bool) -> None:
    assert KNOWN.is_unchanged(now) == now.is_unchanged(KNOWN) == unchanged


def test_a_renamed_file_has_an_equal_fingerprint() -> None:
    assert Fingerprint(10, 20, 30) == Fingerprint(10, 20, 99)
    assert len({Fingerprint(10, 20, 30), Fingerprint(10, 20, None)}) == 1


@pytest.mark.parametrize("seconds", [2**40, -(2**40)])
def test_times_beyond_64_bits_of_nanoseconds_are_clamped(seconds: int) -> None:
    status = os.stat_result((0,) * 6 + (10,) + (0,) * 3, {"st_mtime_ns": seconds * 10**9, "st_ctime_ns": 5})
    assert Fingerprint.of(status) == Fingerprint(10, (2**63 - 1) * (1 if seconds > 0 else -1), 5)


def test_an_index_of_before_learns_when_a_photo_was_changed_and_then_notices_a_change() -> None:
    library = Library([replace(photo("/p/a.jpg"), fingerprint=Fingerprint(10, 20))])
    assert library.is_current("/p/a.jpg", Fingerprint(10, 20, 30), "v1")
    library.learn_ctime("/p/a.jpg", Fingerprint(10, 20, 30))
    assert library.is_current("/p/a.jpg", Fingerprint(10, 20, 30), "v1")
    assert not library.is_current("/p/a.jpg", Fingerprint(10, 20, 31), "v1")
    library.move_photo("/p/a.jpg", "/p/b.jpg", "/p")
    assert library.is_current("/p/b.jpg", Fingerprint(10, 20, 44), "v1")
