"""An assistant asks the real daemon, by the official MCP library over `phsearch-client mcp`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

from phsearch import __version__
from phsearch.cli.commands.mcp import find_socket
from support.harness import PHSEARCH_CLIENT, Daemon, photo, running
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from mcp_types import CallToolResult


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("mcp"), settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        for name in ("red.png", "blue.png", "green \N{SNOWMAN}.jpg"):
            photo(daemon.photos / name, name.split(".")[0].split()[0])
        photo(daemon.photos / "yellow\udcff.png", "yellow", format="PNG")
        daemon.becomes(photos=4, pending=0)
        yield daemon


def ask(daemon: Daemon, talk: Callable[[Client], Awaitable[Any]], mode: str = "auto", *options: str) -> Any:
    """Start the bridge as an assistant does, as a subprocess, and return what `talk` returns."""
    command, *args = PHSEARCH_CLIENT
    server = StdioServerParameters(command=command, args=[*args, "mcp", *options], env=daemon.env)

    async def conversation() -> Any:
        async with asyncio.timeout(scaled(60)):
            async with Client(stdio_client(server), mode=mode) as client:
                return await talk(client)

    return asyncio.run(conversation())


def use(daemon: Daemon, tool: str, **arguments: Any) -> CallToolResult:
    found: CallToolResult = ask(daemon, lambda client: client.call_tool(tool, arguments))
    return found


def words(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def links(result: CallToolResult) -> list[str]:
    return [str(block.uri) for block in result.content if block.type == "resource_link"]


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
def test_an_assistant_of_every_age_is_told_the_three_tools_and_what_they_take(daemon: Daemon, mode: str) -> None:
    async def talk(client: Client) -> Any:
        listed = (await client.list_tools()).tools
        found = await client.call_tool("search", {"query": "red", "limit": 1})
        return client.protocol_version, client.server_info, listed, found

    version, server, listed, found = ask(daemon, talk, mode)
    assert version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    if mode != "2026-07-28":  # who names a version does not ask who we are
        assert (server.name, server.version) == ("phsearch", __version__)
    assert [tool.name for tool in listed] == ["search", "status", "why"]
    schema = listed[0].input_schema
    assert schema["required"] == ["query"]
    assert schema["properties"]["limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 20,
        "description": "how many hits at most",
    }
    assert all(tool.annotations.read_only_hint for tool in listed)
    assert "red.png" in words(found)


def test_a_search_gives_words_links_and_data(daemon: Daemon) -> None:
    found = use(daemon, "search", query="green", limit=2)
    assert not found.is_error
    assert found.structured_content is not None
    first = found.structured_content["hits"][0]
    path = str(daemon.photos / "green \N{SNOWMAN}.jpg")
    assert (first["path"], first["format"]) == (path, "JPEG")
    assert first["uri"] == links(found)[0] == f"file://{daemon.photos}/green%20%E2%98%83.jpg"
    assert len(links(found)) == 2
    assert f"1. score {first['score']:.3f}  {path}  (64x48 JPEG)" in words(found)


def test_a_name_that_is_not_utf_8_is_whole_in_its_link_and_can_be_asked_about(daemon: Daemon) -> None:
    found = use(daemon, "search", query="yellow", limit=1)
    (uri,) = links(found)
    assert uri == f"file://{daemon.photos}/yellow%FF.png"
    assert "yellow\N{REPLACEMENT CHARACTER}.png" in words(found)
    why = use(daemon, "why", path=uri, query="yellow")
    assert why.structured_content is not None
    assert (why.structured_content["verdict"], why.structured_content["match"]["rank"]) == ("indexed", 1)


def test_status_and_why_are_told_in_words(daemon: Daemon) -> None:
    status = use(daemon, "status")
    assert status.structured_content is not None
    assert status.structured_content["photos"] == 4
    assert f"phsearchd {__version__}: 4 photos, 0 pending" in words(status)
    why = use(daemon, "why", path="/elsewhere/x.jpg")
    assert why.structured_content is not None
    assert why.structured_content["verdict"] == "outside"
    assert "/elsewhere/x.jpg: " in words(why)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {"query": ""}, '"query" must not be empty'),
        ("search", {}, '"query" is missing: the text to look for'),
        ("search", {"query": "red", "colour": 1}, 'unknown parameter "colour": search takes'),
        ("search", {"query": "海滩日落"}, "multilingual"),
        ("why", {"path": 7}, '"path" must be a string'),
    ],
)
def test_what_a_tool_cannot_do_it_says_so_that_the_assistant_reads_it(
    daemon: Daemon, tool: str, arguments: dict[str, Any], said: str
) -> None:
    result = use(daemon, tool, **arguments)
    assert result.is_error
    assert said in words(result)


def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(daemon: Daemon) -> None:
    async def talk(client: Client) -> None:
        with pytest.raises(MCPError, match='there is no tool "delete"') as problem:
            await client.call_tool("delete", {"path": "/"})
        assert problem.value.code == -32602

    ask(daemon, talk)


def test_a_daemon_that_is_restarted_meanwhile_is_found_again(tmp_path: Path) -> None:
    with running(tmp_path, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        photo(daemon.photos / "red.png", "red")
        daemon.becomes(photos=1, pending=0)

        async def talk(client: Client) -> list[str]:
            told = [words(await client.call_tool("search", {"query": "red"}))]
            for end in (daemon.stop, daemon.kill):
                await asyncio.to_thread(end)
                asking = asyncio.ensure_future(client.call_tool("search", {"query": "red"}))
                await asyncio.to_thread(daemon.start)
                told.append(words(await asking))
            return told

        assert [told.count("red.png") for told in ask(daemon, talk)] == [1, 1, 1]


def exchange(daemon: Daemon, said: bytes, *options: str) -> list[dict[str, Any]]:
    """Return the answers of a bridge that gets all of its input at once; it must write nothing else."""
    done = subprocess.run(
        [*PHSEARCH_CLIENT, "mcp", *options],
        env=daemon.env,
        input=said,
        capture_output=True,
        timeout=scaled(60),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_no_request_is_answered_and_what_wants_no_answer_is_not(daemon: Daemon) -> None:
    said = [
        b"hello",
        b"",
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","method":"no/such","params":{}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":1}}}',
        b"x" * (2 << 20),
        b"{}",
        b'{"jsonrpc":"2.0","id":"two","method":"resources/list"}',
        b'{"jsonrpc":"2.0","id":3,"method":"ping"}',  # and no newline
    ]
    answers = exchange(daemon, b"\n".join(said))
    brief = [(answer["id"], answer.get("error", {}).get("code")) for answer in answers]
    assert brief == [(None, -32700), (1, None), (None, -32700), (None, -32600), ("two", -32601), (3, None)]


def test_an_unknown_version_of_mcp_is_named_with_those_that_are_spoken(daemon: Daemon) -> None:
    asked = {"protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    old = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}
    meta = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}}
    new = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": meta}
    first, second = exchange(daemon, b"\n".join(json.dumps(each).encode() for each in (old, new)))
    assert first["result"]["protocolVersion"] == "2025-11-25"
    assert second["error"]["code"] == -32022
    assert "2026-07-28" in second["error"]["data"]["supported"]


def test_where_no_daemon_runs_the_assistant_is_told_how_to_start_it(tmp_path: Path) -> None:
    nobody = Daemon(tmp_path)
    (answer,) = exchange(nobody, b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n', "--timeout", "1")
    assert "phsearchd is not running" in answer["error"]["message"]
    assert "phsearchd install --now" in answer["error"]["message"]


def test_a_daemon_that_does_not_answer_in_time_is_reported(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            (answer,) = exchange(daemon, b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n', "--timeout", "0.5")
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        assert "did not answer within 0.5 s" in answer["error"]["message"]


def test_a_bare_environment_still_leads_to_the_socket_of_the_session(tmp_path: Path) -> None:
    session = f"/run/user/{os.getuid()}"
    wanted = f"{session}/phsearch/phsearch.sock" if os.path.isdir(session) else f"{tmp_path}/.local/state/phsearch/run"
    assert find_socket({"HOME": str(tmp_path)}).startswith(wanted)
    assert find_socket({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/x"}) == "/run/x/phsearch/phsearch.sock"
