"""A cache that drops the values that were not used for the longest time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.lru import LruCache


def test_the_value_that_was_not_used_for_the_longest_time_goes_first() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    cache.put("a", 4)
    cache.put("d", 5)
    assert (cache.get("a"), cache.get("c"), cache.get("d")) == (4, None, 5)


def test_a_value_larger_than_the_cache_is_not_kept() -> None:
    cache: LruCache[str, bytes] = LruCache(3, len)
    cache.put("a", b"123")
    cache.put("b", b"1234")
    assert len(cache) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=5))))
def test_the_sizes_never_exceed_the_capacity_and_the_last_value_is_there(puts: list[tuple[int, bytes]]) -> None:
    cache: LruCache[int, bytes] = LruCache(10, len)
    for key, value in puts:
        cache.put(key, value)
        assert cache.get(key) == value
        assert sum(len(cache.get(each) or b"") for each in range(6)) <= 10
