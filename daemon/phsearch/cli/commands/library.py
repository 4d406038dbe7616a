"""`rescan` and `errors`: what the library holds and what it could not take in."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.options import NoArgumentsCommand, with_client
from phsearch.cli.render import table
from phsearch.cli.render.table import plural
from phsearch.cli.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.client import Client

_PAGE = 500  # errors asked for at a time: far from the longest line the wire allows


@click.command(short_help="Compare the folders with the index now.")
@click.argument("path", required=False, type=click.Path())
@with_client
def rescan(client: Client, path: str | None) -> int:
    """Compare the photo folders with the index now, or only the one that holds PATH."""
    # Absolute, but not resolved: the daemon knows its folders by the names their owner uses.
    only = {} if path is None else {"path": os.path.abspath(path)}  # noqa: PTH100
    roots = client.call("library.rescan", **only)["roots"]
    screen, notes = Console.of(sys.stdout, os.environ), Console.of(sys.stderr, os.environ)
    for root in roots:
        screen.write(f"rescanning {table.cell(root)}\n" if screen.terminal else table.tsv([root]))
    if not roots:
        notes.print_line("no folder to scan: `phsearch-client status` says what state they are in")
    return exit_status.DONE


@click.command(name="confirm-deletions", short_help="Forget the photos that are missing in a folder.")
@click.argument("root", type=click.Path())
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@with_client
def confirm_deletions(client: Client, root: str, *, yes: bool) -> int:
    """Forget the photos that are missing in ROOT, a watched folder.

    Photos on a disk that is not there, or of which many are missing at once, are kept until you say this. If they come
    back they are indexed like new ones.
    """
    folder = os.path.abspath(root)  # noqa: PTH100 - not resolved, see rescan
    notes = Console.of(sys.stderr, os.environ)
    known = {each["path"]: each for each in client.call("status")["roots"]}
    if (missing := known.get(folder, {}).get("missing")) == 0:
        notes.print_line(f"nothing is missing in {table.cell(folder)}")
        return exit_status.DONE
    if (
        missing
        and not yes
        and not click.confirm(f"Forget {plural(missing, 'photo')} of {table.cell(folder)}?", err=True)
    ):
        return exit_status.FAILED
    answer = client.call("library.confirm_deletions", root=folder)
    notes.print_line(f"forgetting {plural(answer['missing'], 'photo')}")
    return exit_status.DONE


@click.command(cls=NoArgumentsCommand, short_help="List photos that could not be read.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--retry",
    is_flag=False,
    flag_value="",
    type=click.Path(),
    metavar="[PATH]",
    help="Try them again now: all, PATH, or those below PATH.",
)
@with_client
def errors(client: Client, retry: str | None, *, as_json: bool) -> int:
    """List the photos that could not be read, and why. They are tried again when they change, or on --retry."""
    screen, notes = Console.of(sys.stdout, os.environ), Console.of(sys.stderr, os.environ)
    if retry is not None:
        return _retry(client, retry, screen, as_json=as_json)
    empty = True
    for page in _pages(client):
        empty = False
        screen.write(_shown(page, screen, as_json=as_json))
    if empty:
        notes.print_line("every photo could be read")
    return exit_status.DONE


def _retry(client: Client, path: str, screen: Console, *, as_json: bool) -> int:
    only = {"path": os.path.abspath(path)} if path else {}  # noqa: PTH100 - see rescan
    answer = client.call("library.retry", **only)
    said = f"trying {plural(answer['retried'], 'photo')} again\n" if answer["retried"] else "nothing to try again\n"
    screen.write(table.json_line(answer) if as_json else said)
    if not as_json and answer["retried"] and (held := answer.get("held")):
        Console.of(sys.stderr, os.environ).print_line(f"when indexing goes on; it is {held}")
    return exit_status.DONE


def _pages(client: Client) -> Iterator[list[dict[str, Any]]]:
    seen, total = 0, 1
    while seen < total:
        answer = client.call("library.errors", limit=_PAGE, offset=seen)
        if not (page := answer["errors"]):
            return
        yield page
        seen, total = seen + len(page), answer["total"]


def _shown(page: list[dict[str, Any]], screen: Console, *, as_json: bool) -> str | bytes:
    if as_json:
        return b"".join(map(table.json_line, page))
    if not screen.terminal:
        return b"".join(table.tsv((str(error["attempts"]), error["reason"], error["path"])) for error in page)
    return table.table([((f"{error['attempts']}x", error["reason"]), error["path"]) for error in page], screen)
