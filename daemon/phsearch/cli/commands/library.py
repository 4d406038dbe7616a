"""`rescan`, `confirm-deletions` and `errors`: compare the folders with the index, and photos that cannot be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.completion.suggestions import daemon_names
from phsearch.cli.options import NoArgumentsCommand, json_lines_option, with_client
from phsearch.cli.program import PathName
from phsearch.cli.render import table
from phsearch.cli.render.table import plural
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.paths import absolute_path
from phsearch.wire.results.library import PhotoErrors, StartedRetries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phsearch.client import Client
    from phsearch.wire.results.library import PhotoError

_PAGE = 500  # errors per request: their line stays far below the longest that the wire allows


@click.command(short_help="Compare the folders with the index now.")
@click.argument("path", required=False, type=PathName())
@with_client
def rescan(client: Client, path: str | None) -> int:
    """Compare the photo folders with the index now, or only the folder that holds PATH."""
    roots = client.rescan(path).roots
    console, notes = Console.stdout(), Console.stderr()
    for root in roots:
        console.write(f"rescanning {table.cell(root)}\n" if console.terminal else table.tsv([root]))
    if not roots:
        notes.print_line("no folder to scan: `phsearch-client status` says what state they are in")
    return exit_status.DONE


@click.command(name="confirm-deletions", short_help="Forget the photos that are missing in a folder.")
@click.argument("root", shell_complete=daemon_names("status", "roots", "path"))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@with_client
def confirm_deletions(client: Client, root: str, *, yes: bool) -> int:
    """Forget the photos that are missing in ROOT, a watched folder.

    Photos are kept when their disk is gone, or when many are missing at once, until you use this command. If they come
    back, they are indexed like new ones.
    """
    folder = absolute_path(root, os.environ)
    notes = Console.stderr()
    known = {each.path: each for each in client.status().roots}
    missing = known[folder].missing if folder in known else 0  # of an unknown folder the daemon says more
    if folder in known and not missing:
        notes.print_line(f"nothing is missing in {table.cell(folder)}")
        return exit_status.DONE
    question = f"Forget {plural(missing, 'photo')} of {table.cell(folder)}?"
    if missing and not yes and not click.confirm(question, err=True):
        return exit_status.FAILED
    notes.print_line(f"forgetting {plural(client.confirm_deletions(folder).missing, 'photo')}")
    return exit_status.DONE


@click.command(cls=NoArgumentsCommand, short_help="List photos that could not be read.")
@json_lines_option
@click.option(
    "--retry",
    is_flag=False,
    flag_value="",
    type=PathName(),
    metavar="[PATH]",
    help="Try them again now: all of them, or PATH, or those below PATH.",
)
@with_client
def errors(client: Client, retry: str | None, *, as_json: bool) -> int:
    """List the photos that could not be read, and why. They are tried again when they change, or with --retry.

    A damaged photo has to come from a backup. One that cannot be decoded here may be whole.
    """
    console, notes = Console.stdout(), Console.stderr()
    if retry is not None:
        return _retry(client, retry, console, as_json=as_json)
    empty, passing = True, 0
    for page, answer in _fetch_errors(client):
        empty = False
        passing += sum(error.scope == "file" for error in page)
        console.write(b"".join(map(table.json_line, answer)) if as_json else _format_errors(page, console))
    if empty:
        notes.print_line("every photo could be read")
    elif passing and not as_json:
        notes.print_line(
            f"of {plural(passing, 'photo')} the disk or the permissions may be at fault; each scan tries again, and "
            "`phsearch-client errors --retry` does so now"
        )
    return exit_status.DONE


def _retry(client: Client, path: str, console: Console, *, as_json: bool) -> int:
    only = {"path": absolute_path(path, os.environ)} if path else {}
    answer = client.call("library.retry", **only)
    started = parse_answer(StartedRetries, answer)
    text = f"trying {plural(started.retried, 'photo')} again\n" if started.retried else "nothing to try again\n"
    console.write(table.json_line(answer) if as_json else text)
    if not as_json and started.retried and started.held:
        Console.stderr().print_line(f"when indexing goes on; it is {started.held}")
    return exit_status.DONE


def _fetch_errors(client: Client) -> Iterator[tuple[tuple[PhotoError, ...], Any]]:
    """Yield each page, and the answer's list of it."""
    seen, total = 0, 1
    while seen < total:
        answer = client.call("library.errors", limit=_PAGE, offset=seen)
        found = parse_answer(PhotoErrors, answer)
        if not found.errors:
            return
        yield found.errors, answer["errors"]
        seen, total = seen + len(found.errors), found.total


def _format_errors(page: Sequence[PhotoError], console: Console) -> str | bytes:
    if not console.terminal:
        return b"".join(table.tsv((str(error.attempts), _reason(error), error.path)) for error in page)
    return table.table([((f"{error.attempts}x", _reason(error)), error.path) for error in page], console, copyable=True)


def _reason(error: PhotoError) -> str:
    return f"cannot be decoded here: {error.reason}" if error.kind == "unsupported" else error.reason
