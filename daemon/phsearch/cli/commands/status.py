"""`status`, `watch` and `completion`: the daemon itself, what it does just now, and the shell beside it."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class

from phsearch.cli import exit_status
from phsearch.cli.names import COMPLETE, PROGRAM
from phsearch.cli.options import NoArgumentsCommand, option_value, with_client
from phsearch.cli.render import table
from phsearch.cli.render.status import format_status, wait_until_indexed
from phsearch.cli.terminal import Console

if TYPE_CHECKING:
    from phsearch.client import Client

_INSTALL = {
    "bash": f'eval "$({PROGRAM} completion bash)"   # in ~/.bashrc',
    "zsh": f'eval "$({PROGRAM} completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": f"{PROGRAM} completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command(cls=NoArgumentsCommand, short_help="Show how the daemon is and what it has done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--wait", is_flag=True, help="Wait until nothing is left to index; --timeout bounds it, if given.")
@with_client
def status(client: Client, *, as_json: bool, wait: bool) -> int:
    """Show how the daemon is: its model, its folders, what is indexed and what went wrong."""
    screen = Console.of(sys.stdout, os.environ)
    notes = Console.of(sys.stderr, os.environ)
    answer = wait_until_indexed(client, option_value("timeout"), notes) if wait else client.call("status")
    screen.write(table.json_line(answer) if as_json else format_status(answer, screen))
    return exit_status.DONE


@click.command(cls=NoArgumentsCommand, short_help="Show what the daemon does, as it happens.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@with_client
def watch(client: Client, *, as_json: bool) -> int:
    """Show what the daemon does, as it happens, until Ctrl-C."""
    screen, notes = Console.of(sys.stdout, os.environ), Console.of(sys.stderr, os.environ)
    events = client.events()
    if screen.terminal:
        notes.print_line("watching; Ctrl-C ends it", dim=True)
    for event in events:
        screen.write(table.json_line(event) if as_json else _line(event, screen))
    return exit_status.DONE


def _line(event: dict[str, Any], screen: Console) -> str | bytes:
    kind, path = str(event.get("type", "")), str(event.get("path") or "")
    detail = " ".join(f"{key}={value}" for key, value in event.items() if key not in ("type", "path"))
    if not screen.terminal:
        return table.tsv((kind, detail, path))
    fields = (time.strftime("%H:%M:%S"), kind) + ((detail,) if detail else ())
    return table.table([(fields, path)], screen)


@click.command(short_help="Print the shell's completion script.")
@click.argument("shell", required=False, type=click.Choice(list(_INSTALL)))
def completion(shell: str | None) -> int:
    """Print the completion script of a SHELL, the one you use if none is named.

    \b
      eval "$(phsearch-client completion bash)"       in ~/.bashrc
      eval "$(phsearch-client completion zsh)"        in ~/.zshrc, after compinit
      phsearch-client completion fish | source        in ~/.config/fish/config.fish
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    shell = shell or os.path.basename(os.environ.get("SHELL", ""))  # noqa: PTH119 - a string is all there is
    maker = get_completion_class(shell) if shell in _INSTALL else None
    if maker is None:
        raise click.UsageError(f"Which shell? Name one of {', '.join(_INSTALL)}.")
    screen, notes = Console.of(sys.stdout, os.environ), Console.of(sys.stderr, os.environ)
    group = click.get_current_context().find_root().command
    screen.write(maker(group, {}, PROGRAM, COMPLETE).source() + "\n")
    if screen.terminal:
        notes.print_line(f"to use it: {_INSTALL[shell]}", dim=True)
    return exit_status.DONE
