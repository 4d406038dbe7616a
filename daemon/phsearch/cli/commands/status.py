"""`status`, `watch` and `completion`: the daemon's state, its events, and the shell's completion script."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NoReturn

import click

from phsearch.cli import exit_status
from phsearch.cli.completion.shells import SHELLS, script
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import NoArgumentsCommand, json_lines_option, json_option, option_value, with_client
from phsearch.cli.render import table
from phsearch.cli.render.status import format_status
from phsearch.cli.terminal import Console
from phsearch.cli.wait import wait_until_indexed
from phsearch.client import parse_answer
from phsearch.wire.results.daemon import Status
from phsearch.wire.results.events import Event

if TYPE_CHECKING:
    from phsearch.client import Client

_INSTALL = {
    "bash": f'eval "$({PROGRAM} completion bash)"   # in ~/.bashrc',
    "zsh": f'eval "$({PROGRAM} completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": f"{PROGRAM} completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command(cls=NoArgumentsCommand, short_help="Show the state of the daemon, and what is indexed.")
@json_option
@click.option("--wait", is_flag=True, help="Wait until nothing is left to index, or until --timeout if given.")
@with_client
def status(client: Client, *, as_json: bool, wait: bool) -> int:
    """Show the state of the daemon: its model, its folders, what is indexed and what went wrong."""
    console = Console.stdout()
    notes = Console.stderr()
    answer = wait_until_indexed(client, option_value("timeout"), notes) if wait else client.call("status")
    console.write(table.json_line(answer) if as_json else format_status(parse_answer(Status, answer), console))
    return exit_status.DONE


@click.command(cls=NoArgumentsCommand, short_help="Show what the daemon does, as it happens.")
@json_lines_option
@with_client
def watch(client: Client, *, as_json: bool) -> NoReturn:
    """Show what the daemon does, as it happens, until Ctrl-C."""
    console, notes = Console.stdout(), Console.stderr()
    client.call("events.subscribe")
    if console.terminal:
        notes.print_line("watching; Ctrl-C ends it", dim=True)
    while True:
        event = client.next_notification()
        console.write(table.json_line(event) if as_json else _format_event(parse_answer(Event, event), console))


def _format_event(event: Event, console: Console) -> str | bytes:
    members = event.json_members()
    detail = " ".join(f"{name}={value}" for name, value in members.items() if name not in ("type", "path"))
    if not console.terminal:
        return table.tsv((event.type, detail, event.path or ""))
    fields = (time.strftime("%H:%M:%S"), event.type) + ((detail,) if detail else ())
    return table.table([(fields, event.path or "")], console)


@click.command(short_help="Print the script that completes commands in your shell.")
@click.argument("shell", required=False, type=click.Choice(list(_INSTALL)))
def completion(shell: str | None) -> int:
    """Print the script that completes phsearch-client and phsearchd in SHELL, or in the shell that you use.

    \b
      eval "$(phsearch-client completion bash)"       in ~/.bashrc
      eval "$(phsearch-client completion zsh)"        in ~/.zshrc, after compinit
      phsearch-client completion fish | source        in ~/.config/fish/config.fish
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    shell = shell or os.path.basename(os.environ.get("SHELL", ""))  # noqa: PTH119
    if shell not in SHELLS:
        raise click.UsageError(f"Which shell? Name one of {', '.join(_INSTALL)}.")
    console, notes = Console.stdout(), Console.stderr()
    console.write(script(shell))
    if console.terminal:
        notes.print_line(f"to use it: {_INSTALL[shell]}", dim=True)
    return exit_status.DONE
