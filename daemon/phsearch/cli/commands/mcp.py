"""`mcp`: the daemon's socket as the stdin and stdout that assistants expect of a program they start.

MCP over stdio is JSON-RPC, one object a line, as it is on the socket: lines go through as they are. The daemon keeps
nothing between two requests and has nothing to say unasked. So requests are passed on one after the other, each is
asked again when the daemon was restarted meanwhile (tools only read), and notifications end here.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

import click

from phsearch import paths
from phsearch.cli import exit_status
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import NoArgumentsCommand, option_value, with_client
from phsearch.client import RESTART_HINT
from phsearch.errors import DaemonUnreachableError, PhsearchError
from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.client import Client

_TIMEOUT = 60.0
_START_SECONDS = 10.0
"""How long a daemon that is not there is waited for at first: it may be on its way, too. Assistants wait half a minute
for a program they start, and then show no reason; within that ours must have come."""
_RESTART_SECONDS = 40.0
"""How long one that was there is waited for; for an answer assistants wait a minute."""
_PAUSE = 0.2


@click.command(cls=NoArgumentsCommand, short_help="Let an assistant search, by MCP on stdin and stdout.")
@with_client
def mcp(client: Client) -> int:
    """Speak the Model Context Protocol on stdin and stdout, for an assistant that starts this command.

    It offers the tools search, status and why, until stdin ends. Tell your assistant this command line.
    """
    if option_value("timeout") is None:
        client.timeout = _TIMEOUT
    if option_value("socket") is None:
        client.path = find_socket(os.environ)
    if sys.stdin is None:  # `<&-`
        return exit_status.DONE
    if sys.stdin.isatty():
        exit_status.print_error(f"speaking MCP; to be started by an assistant, as `{PROGRAM} mcp`. Ctrl-D ends it")
    bridge = Bridge(client)
    for line in _lines(sys.stdin.buffer):
        if (answer := bridge.answer(line)) is not None:
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()
    return exit_status.DONE


def find_socket(env: Mapping[str, str]) -> str:
    """Give the daemon's socket. Assistants start programs with a bare environment, without the session's place."""
    usual = paths.socket_path(env)
    session = f"/run/user/{os.getuid()}"
    if "XDG_RUNTIME_DIR" in env or usual.exists() or not os.path.isdir(session):  # noqa: PTH112
        return str(usual)
    return str(paths.socket_path({**env, "XDG_RUNTIME_DIR": session}))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Give lines with their newlines; of one that is too long its beginning, which no longer is JSON."""
    while line := stream.readline(framing.MAX_LINE + 1):
        if line.endswith(b"\n"):
            yield line
            continue
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(framing.MAX_LINE)
        yield line + b"\n"


class Bridge:
    """Asks the daemon what an assistant asks, one line after the other."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._patience = _START_SECONDS

    def answer(self, line: bytes) -> bytes | None:
        """Give the answer to one line; None where none is wanted."""
        if len(line) > framing.MAX_LINE:
            return _problem(RpcError("ParseError", "the line is longer than 1 MiB", "ask for less"), None)
        try:
            message = framing.decode(line)
        except ValueError:
            hopeless = _problem(RpcError("ParseError", "the line is not JSON", "send one JSON object a line"), None)
            return hopeless if line.strip() else None
        method = message.get("method") if isinstance(message, dict) else None
        if isinstance(method, str) and "id" not in message:
            return None
        try:
            answer = self._ask(line)
        except PhsearchError as error:
            problem = RpcError("NotReady", str(error), error.hint)
        else:
            if method != "initialize" or b'"MethodNotFound"' not in answer:
                return answer
            problem = RpcError(
                "MethodNotFound", "the daemon is older than this client and does not speak MCP", RESTART_HINT
            )
        return _problem(problem, jsonrpc.request_id(message))

    def _ask(self, line: bytes) -> bytes:
        deadline = time.monotonic() + min(self._patience, self._client.timeout)
        while True:
            try:
                answer = self._client.forward(line)
            except DaemonUnreachableError:
                if time.monotonic() + _PAUSE > deadline:
                    raise
            else:
                self._patience = _RESTART_SECONDS
                return answer
            time.sleep(_PAUSE)


def _problem(problem: RpcError, id_: jsonrpc.Id) -> bytes:
    # MCP clients show the message alone, and it is the hint that helps.
    said = RpcError(problem.kind, f"{problem}: {problem.hint}", problem.hint)
    return framing.encode(jsonrpc.error(said, id_)).rstrip(b"\n")
