"""Which connection is closed when there is no room, and who waits while clients send a lot."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from phsearch.service.rpc.admission import ConnectionLimiter, LoopLimiter
from support.time_limits import scaled


class FakeConnection:
    """A connection that remembers why it was closed."""

    def __init__(self) -> None:
        self.closed = ""

    def close_with_error(self, reason: str) -> None:
        self.closed = reason


def admitted(limiter: ConnectionLimiter, count: int) -> list[FakeConnection]:
    connections = [FakeConnection() for _ in range(count)]
    assert all(limiter.admit(connection) for connection in connections)
    return connections


def closed(connections: list[FakeConnection]) -> list[bool]:
    return [bool(connection.closed) for connection in connections]


def test_the_connection_that_has_been_idle_for_longest_makes_room() -> None:
    limiter = ConnectionLimiter(max_connections=4, max_subscribers=4, max_bytes=1 << 20)
    connections = admitted(limiter, 4)
    limiter.mark_busy(connections[0])
    limiter.mark_busy(connections[1])
    limiter.mark_idle(connections[1])
    admitted(limiter, 1)
    assert closed(connections) == [False, False, True, False]
    admitted(limiter, 2)
    assert closed(connections) == [False, True, True, True]
    assert len(limiter) == 4


def test_a_connection_that_waits_for_an_answer_does_not_make_room() -> None:
    limiter = ConnectionLimiter(max_connections=2, max_subscribers=2, max_bytes=1 << 20)
    connections = admitted(limiter, 2)
    for connection in connections:
        limiter.mark_busy(connection)
    assert not limiter.admit(FakeConnection())
    assert closed(connections) == [False, False]
    limiter.release(connections[0])
    assert limiter.admit(FakeConnection())


def test_the_connections_that_hold_most_are_closed_until_all_hold_little_enough() -> None:
    limiter = ConnectionLimiter(max_connections=9, max_subscribers=2, max_bytes=100)
    connections = admitted(limiter, 4)
    for connection, held in zip(connections, (60, 10, 25, 5), strict=True):
        limiter.account_bytes(connection, held)
    assert closed(connections) == [False] * 4
    limiter.account_bytes(connections[1], 20)
    assert closed(connections) == [True, False, False, False]
    limiter.account_bytes(connections[0], 1000)  # closed already
    limiter.account_bytes(connections[2], 75)
    assert closed(connections) == [True, False, False, False]
    limiter.account_bytes(connections[3], 6)
    assert closed(connections) == [True, False, True, False]


def test_a_subscriber_too_many_is_refused() -> None:
    limiter = ConnectionLimiter(max_connections=9, max_subscribers=2, max_bytes=100)
    connections = admitted(limiter, 3)
    assert [limiter.subscribe(connection) for connection in connections] == [True, True, False]
    limiter.release(connections[0])
    assert limiter.subscribe(connections[2])


def test_requests_take_turns_and_a_long_or_a_cancelled_one_delays_no_other() -> None:
    async def scenario() -> list[int]:
        limiter, done = LoopLimiter(), list[int]()

        async def request(number: int, seconds: float) -> int:
            await asyncio.sleep(seconds)
            done.append(number)
            return number

        def start(number: int, seconds: float) -> asyncio.Task[int]:
            return asyncio.create_task(limiter.run_in_turn(request(number, seconds)))

        long = start(0, 3600)
        await asyncio.sleep(0)
        others = [start(number, 0.001) for number in range(1, 9)]
        await asyncio.sleep(0)
        others[2].cancel()
        async with asyncio.timeout(scaled(5)):
            assert [each for each in await asyncio.gather(*others, return_exceptions=True) if each == 8] == [8]
        long.cancel()
        async with asyncio.timeout(scaled(5)):
            assert await start(9, 0) == 9
        assert len(asyncio.all_tasks()) <= 2, "a request that is cancelled does not go on"
        return done

    assert asyncio.run(scenario()) == [1, 2, 4, 5, 6, 7, 8, 9]


def test_parts_of_large_requests_are_read_one_after_the_other() -> None:
    async def scenario() -> tuple[list[int], float]:
        limiter, read, start, done = LoopLimiter(), list[int](), time.monotonic(), asyncio.Event()
        for number in range(50):
            limiter.read_in_turn(partial(read.append, number))
        limiter.read_in_turn(done.set)
        assert read == []
        async with asyncio.timeout(scaled(5)):
            await done.wait()
        return read, time.monotonic() - start

    read, seconds = asyncio.run(scenario())
    assert read == list(range(50))
    assert seconds > 0.04
