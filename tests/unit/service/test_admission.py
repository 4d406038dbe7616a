"""Who has to go when there is no room, and whose turn it is."""

from __future__ import annotations

import asyncio

from phsearch.service.rpc.admission import ConnectionLimiter, FairQueue


class FakeConnection:
    """Somebody connected."""

    def __init__(self, eviction_key: tuple[int, float] | None, buffered_bytes: int = 0) -> None:
        self.eviction_key = eviction_key
        self.buffered_bytes = buffered_bytes
        self.closed = ""

    def close_with_error(self, reason: str) -> None:
        self.closed = reason


def test_the_one_who_never_asked_and_has_been_silent_for_longest_makes_room() -> None:
    limiter = ConnectionLimiter(4, 1 << 20, 4)
    connections = [FakeConnection((1, 1.0)), FakeConnection((0, 5.0)), FakeConnection((0, 4.0)), FakeConnection(None)]
    assert all(limiter.admit(connection) for connection in connections)
    assert limiter.admit(FakeConnection(None))
    assert [bool(connection.closed) for connection in connections] == [False, False, True, False]
    assert len(limiter) == 4


def test_nobody_who_waits_for_an_answer_makes_room() -> None:
    limiter = ConnectionLimiter(2, 1 << 20, 2)
    connections = [FakeConnection(None), FakeConnection(None)]
    assert all(limiter.admit(connection) for connection in connections)
    assert not limiter.admit(FakeConnection((0, 1.0)))
    assert not any(connection.closed for connection in connections)


def test_those_who_hold_most_go_until_what_is_held_is_bearable() -> None:
    limiter = ConnectionLimiter(9, 100, 2)
    connections = [FakeConnection(None, buffered_bytes) for buffered_bytes in (60, 10, 50, 20)]
    for connection in connections:
        limiter.admit(connection)
    limiter.account(100)
    assert [bool(connection.closed) for connection in connections] == [True, False, False, False]


def test_a_follower_is_admitted_for_one_who_does_not_take_his_events_only() -> None:
    limiter = ConnectionLimiter(9, 100, 2)
    stuck = FakeConnection((0, 1.0))
    for connection in (stuck, FakeConnection(None)):
        limiter.admit(connection)
        assert limiter.subscribe(connection)
    assert limiter.subscribe(FakeConnection(None))
    assert stuck.closed
    assert not limiter.subscribe(FakeConnection(None))


def test_turns_are_taken_one_after_the_other_and_a_long_one_or_a_cancelled_one_holds_up_nobody() -> None:
    async def scenario() -> list[int]:
        turns, done = FairQueue(), list[int]()

        async def work(number: int, seconds: float) -> None:
            async with turns.acquire():
                await asyncio.sleep(seconds)
                done.append(number)

        long = asyncio.create_task(work(0, 60))
        await asyncio.sleep(0)
        rest = [asyncio.create_task(work(number, 0.001)) for number in range(1, 9)]
        await asyncio.sleep(0)
        rest[2].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*rest, return_exceptions=True)
        long.cancel()
        again = asyncio.create_task(work(9, 0))
        async with asyncio.timeout(5):
            await again
        return done

    assert asyncio.run(scenario()) == [1, 2, 4, 5, 6, 7, 8, 9]
