"""A file is read when it has stopped changing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.indexing.settle import Debouncer
from phsearch.domain.types import Fingerprint

SMALL, LARGE = Fingerprint(1, 1), Fingerprint(2, 2)


def test_a_touched_file_is_settled_after_two_equal_looks_a_quiet_time_apart() -> None:
    debouncer = Debouncer(quiet=1.0)
    debouncer.path_changed("a", 0.0, closed=False)
    assert debouncer.due(0.4, 100) == []
    assert debouncer.due(0.5, 100) == ["a"]
    assert not debouncer.stat_done("a", SMALL, mtime_age=0.1, now=0.5)
    assert debouncer.due(1.4, 100) == []
    assert debouncer.stat_done("a", SMALL, mtime_age=0.9, now=1.5)
    assert "a" not in debouncer


def test_many_files_are_due_a_few_at_a_time_in_their_order() -> None:
    debouncer = Debouncer(quiet=1.0)
    for number in range(5):
        debouncer.path_changed(str(number), number / 10, closed=False)
    assert [debouncer.due(2.0, 2) for _ in range(4)] == [["0", "1"], ["2", "3"], ["4"], []]


def test_a_file_that_grows_between_two_looks_waits_on() -> None:
    debouncer = Debouncer(quiet=1.0)
    debouncer.path_changed("a", 0.0, closed=False)
    assert not debouncer.stat_done("a", SMALL, 0.1, 0.5)
    assert not debouncer.stat_done("a", LARGE, 0.1, 1.5)
    assert debouncer.stat_done("a", LARGE, 0.9, 2.5)


def test_a_closed_file_needs_one_short_look_only() -> None:
    debouncer = Debouncer(quiet=1.0)
    debouncer.path_changed("a", 0.0, closed=True)
    assert debouncer.next_due() == 0.2
    assert debouncer.stat_done("a", SMALL, mtime_age=0.0, now=0.2)


def test_a_file_that_was_written_long_ago_needs_no_second_look() -> None:
    debouncer = Debouncer(quiet=1.0)
    debouncer.path_changed("a", 0.0, closed=False)
    assert debouncer.stat_done("a", SMALL, mtime_age=3600, now=0.5)


def test_a_new_touch_starts_the_wait_again() -> None:
    debouncer = Debouncer(quiet=1.0)
    debouncer.path_changed("a", 0.0, closed=True)
    debouncer.path_changed("a", 0.1, closed=False)
    assert debouncer.due(0.5, 100) == []
    assert not debouncer.stat_done("a", SMALL, 0.0, 0.6)


def test_a_dropped_file_is_never_settled() -> None:
    debouncer = Debouncer(quiet=1.0)
    debouncer.path_changed("a", 0.0, closed=True)
    debouncer.drop_path("a")
    assert debouncer.next_due() is None
    assert not debouncer.stat_done("a", SMALL, 9.0, 9.0)


@given(st.lists(st.tuples(st.floats(0.01, 0.49), st.integers(1, 3)), min_size=1, max_size=20))
def test_no_file_settles_while_it_changes_more_often_than_the_quiet_time(changes: list[tuple[float, int]]) -> None:
    debouncer = Debouncer(quiet=1.0)
    now, size = 0.0, 0
    debouncer.path_changed("a", now, closed=False)
    for pause, growth in changes:
        now, size = now + pause, size + growth
        for path in debouncer.due(now, 100):
            # Each look sees the file just written, hence another size than before.
            assert not debouncer.stat_done(path, Fingerprint(size, int(now * 1e9)), mtime_age=0.0, now=now)
    assert "a" in debouncer
