"""`mcp`: lets an assistant that starts this program search, by the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import NoArgumentsCommand, option_value, with_client
from phsearch.errors import ConfigError

if TYPE_CHECKING:
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
    try:
        serve(client.socket_path, option_value("timeout") or _TIMEOUT)
    except BrokenPipeError:  # the assistant is gone
        return exit_status.PIPE_CLOSED
    return exit_status.DONE
