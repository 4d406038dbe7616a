"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli.commands.pause import parse_duration

YEAR = 366 * 86400


@pytest.mark.parametrize(
    ("text", "length"),
    [("30m", 1800), ("30min", 1800), ("2h", 7200), ("1h30m", 5400), ("1h 30 min", 5400), ("2D", 172800), ("90s", 90)],
)
def test_units_may_be_joined_spaced_and_capital(text: str, length: int) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", " ", "90", "h", "1.5h", "-5m", "0s", "1h30", "soon", "tomorrow", "367d", "9" * 10**6 + "s", "1m\0"]
)
def test_other_text_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@given(st.text(st.sampled_from("0123456789dhmins ٣²")))
def test_any_text_gives_a_length_that_the_daemon_takes_or_none(text: str) -> None:
    length = parse_duration(text)
    assert length is None or 1 <= length <= YEAR


@given(st.integers(0, 3), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_the_parts_add_up(days: int, hours: int, minutes: int, rest: int) -> None:
    assert parse_duration(f"{days}d{hours}h{minutes}m{rest}s") == ((days * 24 + hours) * 60 + minutes) * 60 + rest
