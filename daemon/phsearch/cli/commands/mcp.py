"""`mcp`: lets an assistant that starts this program search, by the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from phsearch import paths
from phsearch.cli import exit_status
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import NoArgumentsCommand, option_value, with_client
from phsearch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phsearch.client import Client

_TIMEOUT = 50.0
"""Seconds for one call. Assistants wait a minute, and then show no reason: our error must come before that."""


@click.command(cls=NoArgumentsCommand, short_help="Let an assistant search, by MCP on stdin and stdout.")
@with_client
def mcp(client: Client) -> int:
    """Speak the Model Context Protocol on stdin and stdout, for an assistant that starts this command.

    It offers the tools search, status and why, until stdin ends. Give your assistant this command line.
    """
    try:
        from phsearch.cli.mcp_server.server import serve  # noqa: PLC0415 - it takes longer than any other command
    except ImportError as problem:
        hint = "install phsearch with its extra, as in `uv tool install '.[mcp]'`"
        raise ConfigError(f"the MCP library cannot be loaded ({problem})", hint) from problem
    if sys.stdin is None:  # `<&-`
        return exit_status.DONE
    if sys.stdin.isatty():
        exit_status.print_error(f"speaking MCP; to be started by an assistant, as `{PROGRAM} mcp`. Ctrl-D ends it")
    socket_path = client.path if option_value("socket") is not None else find_socket(os.environ)
    try:
        serve(socket_path, option_value("timeout") or _TIMEOUT)
    except BrokenPipeError:  # the assistant is gone
        return exit_status.PIPE_CLOSED
    return exit_status.DONE


def find_socket(env: Mapping[str, str]) -> str:
    """Return the daemon's socket. Assistants may start programs without the session's environment."""
    usual = paths.socket_path(env)
    session = f"/run/user/{os.getuid()}"
    if "XDG_RUNTIME_DIR" in env or usual.exists() or not os.path.isdir(session):  # noqa: PTH112
        return str(usual)
    return str(paths.socket_path({**env, "XDG_RUNTIME_DIR": session}))
