"""`reload` and `forget`: read the settings again, and forget photos of folders that are no longer in them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.completion.suggestions import daemon_names
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import NoArgumentsCommand, json_option, option_value, with_client
from phsearch.cli.render import table
from phsearch.cli.render.paths import shell_word
from phsearch.cli.render.table import plural
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.wire.results.daemon import ConfigChanges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.client import Client
    from phsearch.wire.results.daemon import RemovedRootStatus

_TIMEOUT = 600.0
"""Seconds to wait without a --timeout: a large folder that comes back is read from the index."""
_REMOVED_CHOICES = ("grace", "keep", "forget")


@click.command(cls=NoArgumentsCommand, short_help="Read the settings again, without a restart.")
@click.option(
    "--removed",
    type=click.Choice(_REMOVED_CHOICES),
    help="For photos of folders that are no longer watched: do as the settings say (grace), keep them, or forget them.",
)
@json_option
@with_client
def reload(client: Client, removed: str | None, *, as_json: bool) -> int:
    """Make the daemon read its settings again, without a restart. If there is a mistake in them, nothing changes."""
    console = Console.stdout()
    if option_value("timeout") is None:
        client.timeout = _TIMEOUT
    if removed is None and console.terminal and not as_json and sys.stdin.isatty():
        removed = _ask_removed([gone for gone in client.reload(check=True).removed if gone.photos])
    answer = client.call("config.reload", removed=removed or "grace")
    changes = parse_answer(ConfigChanges, answer)
    lines = [table.cell(line) for line in _describe(changes, forgotten=removed == "forget")] or ["nothing changed"]
    console.write(table.json_line(answer) if as_json else "".join(f"{line}\n" for line in lines))
    return exit_status.DONE


@click.command(short_help="Forget the photos of a folder that is no longer watched.")
@click.argument("root", shell_complete=daemon_names("status", "removed", "path"))
@with_client
def forget(client: Client, root: str) -> int:
    """Forget the photos of ROOT now: a folder that was taken out of the settings. `status` lists these folders."""
    if option_value("timeout") is None:
        client.timeout = _TIMEOUT
    done = client.forget(root)
    Console.stderr().print_line(f"forgot {plural(done.forgotten, 'photo')} of {table.cell(done.root)}")
    return exit_status.DONE


def _ask_removed(gone: list[RemovedRootStatus]) -> str | None:
    if not gone:
        return None
    for each in gone:
        click.echo(table.cell(f"{plural(each.photos, 'photo')} of {each.path} will no longer be shown."), err=True)
    ends = gone[0].forgotten_at
    grace = "keep them, as the settings say" if ends is None else f"forget them on {_day(ends)}, at no cost until then"
    click.echo(f"  grace   {grace}\n  keep    keep them for good\n  forget  forget them now", err=True)
    choice: str = click.prompt("What becomes of them?", type=click.Choice(_REMOVED_CHOICES), default="grace", err=True)
    return choice


def _describe(changes: ConfigChanges, *, forgotten: bool) -> Iterator[str]:
    for root in changes.added:
        known = f": {plural(root.photos, 'photo')} known already" if root.photos else ""
        yield f"watching {root.path}{known}"
    for gone in changes.removed:
        yield f"no longer watching {gone.path}"
        if gone.photos:
            yield _describe_removed(gone, forgotten=forgotten)
    if changes.changed:
        yield f"in force now: {', '.join(changes.changed)}"
    if changes.restart_needed:
        keys = ", ".join(changes.restart_needed)
        yield f"in force after a restart only, until then as before: {keys} (systemctl --user restart phsearch)"
    for passed in changes.overruled:
        yield f"passed over: {passed.key}, since phsearchd was started with {passed.option}, which wins"


def _describe_removed(gone: RemovedRootStatus, *, forgotten: bool) -> str:
    photos, path = f"{plural(gone.photos, 'photo')} of {gone.path}", shell_word(gone.path)
    if forgotten:
        return f"{photos} are forgotten"
    now = f"forget now: {PROGRAM} forget {path}"
    if gone.forgotten_at is None:
        return f"{photos} are no longer shown; they are kept for the day it is watched again; {now}"
    day = _day(gone.forgotten_at)
    keep = 'keep them: watch.removed_roots = "keep"'
    return f"{photos} are no longer shown; they are forgotten on {day} unless it is watched again; {keep}; {now}"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
