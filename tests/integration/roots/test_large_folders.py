"""A folder of many photos is renamed or deleted in turns: the loop answers meanwhile, and events keep their order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING
from unittest import mock

from phsearch.domain.types import Fingerprint
from phsearch.domain.watch_events import Changed, Deleted, FolderAppeared, FolderMoved, Moved
from phsearch.service.roots import event_dispatcher
from support.index_rig import IndexRig
from support.photos import photo
from support.store.kit import vector
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PHOTOS = 5_000


@contextlib.asynccontextmanager
async def a_rig(tmp_path: Path) -> AsyncIterator[tuple[IndexRig, str]]:
    """Yield the parts of a daemon, and its only root."""
    root = str(tmp_path / "photos")
    rig = IndexRig(tmp_path / "state", [root], Counter())
    try:
        yield rig, root
    finally:
        await rig.end(flush=False)


async def known(rig: IndexRig, root: str) -> None:
    """Fill the library without any file."""
    for number in range(PHOTOS):
        path = f"{root}/a/{number // 10}/{number}.jpg"
        rig.photo_index.add_photo(
            path, Fingerprint(number, 1), number.to_bytes(16, "big"), photo(path).info, vector(number % 9)
        )
    await rig.drain()


async def until_done(rig: IndexRig, root: str, folder: str) -> list[float]:
    """Return the processor seconds of each turn of the loop until all photos are in a folder."""
    turns = []
    async with asyncio.timeout(scaled(30)):
        while sum(1 for _ in rig.library.under(f"{root}/{folder}")) < PHOTOS:
            begun = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - begun)
    return turns


def test_a_folder_is_renamed_in_many_short_turns_and_what_came_after_it_comes_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_rig(tmp_path) as (rig, root):
            await known(rig, root)
            await rig.writer.flush()
            rig.dispatcher.dispatch(FolderMoved(f"{root}/a", f"{root}/b"))
            rig.dispatcher.dispatch(FolderMoved(f"{root}/b", f"{root}/c"))
            rig.dispatcher.dispatch_threadsafe(Changed(f"{root}/c/0/0.jpg", closed=True))
            assert not list(rig.library.under(f"{root}/c")), "not all at once"
            turns = await until_done(rig, root, "c")
            assert len(turns) > 5
            assert not list(rig.library.under(f"{root}/a"))
            await rig.drain()
            await rig.writer.flush()
            assert len(rig.index) == PHOTOS
            assert {each.path for each in rig.store.load()[0]} == {each.path for each in rig.library.photos()}

    asyncio.run(scenario())


def test_events_that_come_meanwhile_take_no_further_turns_of_the_same_round(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_rig(tmp_path) as (rig, root):
            handled = 0

            def another_comes(_path: str) -> None:
                nonlocal handled
                handled += 1
                if handled < 200:
                    rig.dispatcher.dispatch_threadsafe(Changed(f"{root}/{handled}.jpg", closed=True))

            with (
                mock.patch.object(event_dispatcher, "_TURN_SECONDS", 0.0),
                mock.patch.object(rig.router, "pipeline_of", another_comes),
            ):
                rig.dispatcher.dispatch(Changed(f"{root}/first.jpg", closed=True))
                rounds = 0
                while handled < 200:
                    await asyncio.sleep(0)
                    rounds += 1
            assert rounds >= 199

    asyncio.run(scenario())


def test_ten_thousand_events_are_handled_in_turns(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_rig(tmp_path) as (rig, root):
            await known(rig, root)
            for number in range(10_000):
                rig.dispatcher.dispatch_threadsafe(Deleted(f"{root}/a/{number}"))
            rig.dispatcher.dispatch_threadsafe(FolderAppeared(root))
            turns = 0
            # A fast machine handles all of them within three usual turns.
            with mock.patch.object(event_dispatcher, "_TURN_SECONDS", 0.001):
                while rig.dispatcher._events:
                    turns += 1
                    await asyncio.sleep(0)
            assert turns > 3

    asyncio.run(scenario())


def test_an_event_that_shows_a_bug_costs_no_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with a_rig(tmp_path) as (rig, root):
            await known(rig, root)
            with mock.patch.object(rig.router, "pipeline_of", side_effect=RuntimeError("a bug")):
                rig.dispatcher.dispatch_threadsafe(Changed(f"{root}/x.jpg", closed=True))
                await asyncio.sleep(0)
            rig.dispatcher.dispatch_threadsafe(FolderMoved(f"{root}/a", f"{root}/b"))
            await until_done(rig, root, "b")

    asyncio.run(scenario())


def test_a_photo_that_was_renamed_just_before_its_folder_is_stored_under_both_new_names(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with a_rig(tmp_path) as (rig, root):
            await known(rig, root)
            await rig.writer.flush()
            rig.dispatcher.dispatch(Moved(f"{root}/a/0/0.jpg", f"{root}/a/0/new.jpg"))
            rig.dispatcher.dispatch(FolderMoved(f"{root}/a", f"{root}/b"))
            rig.dispatcher.dispatch(Moved(f"{root}/b/0/1.jpg", f"{root}/b/0/newer.jpg"))
            await until_done(rig, root, "b")
            while rig.dispatcher._events or rig.writer.pending:
                await rig.drain()
                await rig.writer.flush()
            await rig.drain()
            await rig.writer.flush()
            stored = {each.path for each in rig.store.load()[0]}
            assert stored == {each.path for each in rig.library.photos()} == set(rig.index.paths())
            assert {f"{root}/b/0/new.jpg", f"{root}/b/0/newer.jpg"} <= stored

    asyncio.run(scenario())
