"""A change that a client asked for is done to its end, whether or not the client waits for it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from phsearch.service.rpc.dispatcher import Dispatcher
from phsearch.wire.methods import METHODS
from phsearch.wire.results.daemon import ConfigChanges

if TYPE_CHECKING:
    import pytest

CHANGES = {name for name, method in METHODS.items() if method.changes}
NOTHING = ConfigChanges(added=(), removed=(), changed=(), restart_needed=(), overruled=())


def line(method: str) -> bytes:
    params = {param.name: "/x" for param in METHODS[method].params if param.required}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def test_every_method_that_changes_something_is_marked() -> None:
    assert {
        "albums.save",
        "albums.remove",
        "config.reload",
        "library.confirm_deletions",
        "library.forget",
        "library.pause",
        "library.rescan",
        "library.resume",
        "library.retry",
        "model.calibrate",
        "model.cancel",
        "model.remove",
        "model.use",
    } == CHANGES


def test_a_client_that_hangs_up_stops_a_question_and_no_change() -> None:
    async def scenario() -> set[str]:
        ended: set[str] = set()
        may_end = asyncio.Event()

        def handler(name: str) -> Any:
            async def work(**_params: Any) -> ConfigChanges:
                await may_end.wait()
                ended.add(name)
                return NOTHING

            return work

        dispatcher = Dispatcher([{name: handler(name) for name in METHODS}])
        clients = [asyncio.ensure_future(dispatcher.handle_line(line(name))) for name in METHODS]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)
        may_end.set()
        await dispatcher.finish_changes(10)
        return ended

    assert asyncio.run(scenario()) == CHANGES


def test_at_the_end_of_the_daemon_a_change_that_does_not_end_is_cancelled() -> None:
    async def scenario() -> bool:
        cancelled = asyncio.Event()

        async def never(**_params: Any) -> ConfigChanges:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return NOTHING

        dispatcher = Dispatcher([dict.fromkeys(METHODS, never)])
        client = asyncio.ensure_future(dispatcher.handle_line(line("config.reload")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await dispatcher.finish_changes(0.01)
        await asyncio.wait([client])
        return cancelled.is_set()

    assert asyncio.run(scenario())


def test_a_change_that_fails_after_its_client_left_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        may_end = asyncio.Event()

        async def fails(**_params: Any) -> ConfigChanges:
            await may_end.wait()
            raise ValueError("what went wrong")

        dispatcher = Dispatcher([dict.fromkeys(METHODS, fails)])
        client = asyncio.ensure_future(dispatcher.handle_line(line("config.reload")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.cancel()
        await asyncio.wait([client])
        may_end.set()
        await dispatcher.finish_changes(10)
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert "what went wrong" in caplog.text
