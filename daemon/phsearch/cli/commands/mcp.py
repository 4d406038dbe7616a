"""`mcp`: connects the daemon's socket with stdin and stdout, for an assistant that starts this program.

MCP over stdio is JSON-RPC with one object per line, as on the socket: lines are passed on unchanged. The daemon keeps
no state between two requests, and sends nothing unasked. So requests are passed on one after the other. A request is
repeated when the daemon restarted in between (tools only read), and notifications are dropped.
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
"""How long to wait at first for a daemon that does not run: it may be starting too. Assistants wait half a minute for a
program that they start, and then show no reason. Our error must come before that."""
_RESTART_SECONDS = 40.0
"""How long to wait for a daemon that ran before. Assistants wait a minute for an answer."""
_PAUSE = 0.2


@click.command(cls=NoArgumentsCommand, short_help="Let an assistant search, by MCP on stdin and stdout.")
@with_client
def mcp(client: Client) -> int:
    """Speak the Model Context Protocol on stdin and stdout, for an assistant that starts this command.

    It offers the tools search, status and why, until stdin ends. Give your assistant this command line.
    """
    if option_value("timeout") is None:
        client.timeout = _TIMEOUT
    if option_value("socket") is None:
        client.path = find_socket(os.environ)
    if sys.stdin is None:  # `<&-`
        return exit_status.DONE
    if sys.stdin.isatty():
        exit_status.print_error(f"speaking MCP; to be started by an assistant, as `{PROGRAM} mcp`. Ctrl-D ends it")
    forwarder = McpForwarder(client)
    for line in _read_lines(sys.stdin.buffer):
        if (answer := forwarder.answer(line)) is not None:
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()
    return exit_status.DONE


def find_socket(env: Mapping[str, str]) -> str:
    """Return the daemon's socket. Assistants may start programs without the session's environment."""
    usual = paths.socket_path(env)
    session = f"/run/user/{os.getuid()}"
    if "XDG_RUNTIME_DIR" in env or usual.exists() or not os.path.isdir(session):  # noqa: PTH112
        return str(usual)
    return str(paths.socket_path({**env, "XDG_RUNTIME_DIR": session}))


def _read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines with their newlines. A line that is too long is cut, and is no longer JSON."""
    while line := stream.readline(framing.MAX_LINE + 1):
        if line.endswith(b"\n"):
            yield line
            continue
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(framing.MAX_LINE)
        yield line + b"\n"


class McpForwarder:
    """Passes an assistant's requests on to the daemon, one line after the other."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wait_seconds = _START_SECONDS

    def answer(self, line: bytes) -> bytes | None:
        """Return the answer to one line; None where there is none."""
        if len(line) > framing.MAX_LINE:
            return _error_line(RpcError("ParseError", "the line is longer than 1 MiB", "ask for less"), None)
        try:
            message = framing.decode(line)
        except ValueError:
            answer = _error_line(RpcError("ParseError", "the line is not JSON", "send one JSON object a line"), None)
            return answer if line.strip() else None
        method = message.get("method") if isinstance(message, dict) else None
        if isinstance(method, str) and "id" not in message:
            return None
        try:
            answer = self._forward_with_retry(line)
        except PhsearchError as error:
            problem = RpcError("NotReady", str(error), error.hint)
        else:
            if method != "initialize" or b'"MethodNotFound"' not in answer:
                return answer
            problem = RpcError(
                "MethodNotFound", "the daemon is older than this client and does not speak MCP", RESTART_HINT
            )
        return _error_line(problem, jsonrpc.request_id(message))

    def _forward_with_retry(self, line: bytes) -> bytes:
        deadline = time.monotonic() + min(self._wait_seconds, self._client.timeout)
        while True:
            try:
                answer = self._client.forward(line)
            except DaemonUnreachableError:
                if time.monotonic() + _PAUSE > deadline:
                    raise
            else:
                self._wait_seconds = _RESTART_SECONDS
                return answer
            time.sleep(_PAUSE)


def _error_line(problem: RpcError, id_: jsonrpc.Id) -> bytes:
    # MCP clients show only the message, and the hint is what helps.
    shown = RpcError(problem.kind, f"{problem}: {problem.hint}", problem.hint)
    return framing.encode(jsonrpc.error(shown, id_)).rstrip(b"\n")
