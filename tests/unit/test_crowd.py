"""Who has to go when there is no room, and whose turn it is."""

from __future__ import annotations

import asyncio

from phsearch.service.rpc.admission import Crowd, Turns


class Guest:
    """Somebody connected."""

    def __init__(self, silent_since: tuple[int, float] | None, held: int = 0) -> None:
        self.silent_since = silent_since
        self.held = held
        self.dismissed = ""

    def dismiss(self, reason: str) -> None:
        self.dismissed = reason


def test_the_one_who_never_asked_and_has_been_silent_for_longest_makes_room() -> None:
    crowd = Crowd(4, 1 << 20, 4)
    guests = [Guest((1, 1.0)), Guest((0, 5.0)), Guest((0, 4.0)), Guest(None)]
    assert all(crowd.enter(guest) for guest in guests)
    assert crowd.enter(Guest(None))
    assert [bool(guest.dismissed) for guest in guests] == [False, False, True, False]
    assert len(crowd) == 4


def test_nobody_who_waits_for_an_answer_makes_room() -> None:
    crowd = Crowd(2, 1 << 20, 2)
    guests = [Guest(None), Guest(None)]
    assert all(crowd.enter(guest) for guest in guests)
    assert not crowd.enter(Guest((0, 1.0)))
    assert not any(guest.dismissed for guest in guests)


def test_those_who_hold_most_go_until_what_is_held_is_bearable() -> None:
    crowd = Crowd(9, 100, 2)
    guests = [Guest(None, held) for held in (60, 10, 50, 20)]
    for guest in guests:
        crowd.enter(guest)
    crowd.weigh(100)
    assert [bool(guest.dismissed) for guest in guests] == [True, False, False, False]


def test_a_follower_is_admitted_for_one_who_does_not_take_his_events_only() -> None:
    crowd = Crowd(9, 100, 2)
    stuck = Guest((0, 1.0))
    for guest in (stuck, Guest(None)):
        crowd.enter(guest)
        assert crowd.subscribe(guest)
    assert crowd.subscribe(Guest(None))
    assert stuck.dismissed
    assert not crowd.subscribe(Guest(None))


def test_turns_are_taken_one_after_the_other_and_a_long_one_or_a_cancelled_one_holds_up_nobody() -> None:
    async def scenario() -> list[int]:
        turns, done = Turns(), list[int]()

        async def work(number: int, seconds: float) -> None:
            async with turns.turn():
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
