"""`albums`: queries that are kept."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status, query_args
from phsearch.cli.options import split_args, with_client
from phsearch.cli.render import table
from phsearch.cli.render.hits import JSON, NULL, TABLE
from phsearch.cli.search_request import run_search, search_params, show_position, validate_query
from phsearch.cli.terminal import Console
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from phsearch.client import Client

_MOST = 1000
_BANDS = next(param.choices for param in METHODS["albums.save"].params if param.name == "min_band")


@click.group(short_help="Keep queries, as folders of links if you like.", invoke_without_command=True)
@click.pass_context
def albums(ctx: click.Context) -> int | None:
    """Keep queries under a name; with --folder as a folder of links that follows the library.

    \b
      phsearch-client albums save snow -- snow -people date:2020..
      phsearch-client albums save --folder cats cat
      phsearch-client albums show snow
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    return ctx.invoke(listing) if ctx.invoked_subcommand is None else None


@albums.command("list", short_help="List them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@with_client
def listing(client: Client, *, as_json: bool = False) -> int:
    """List the albums: name, photos where there is a folder, query, and the folder."""
    screen, notes = Console.of(sys.stdout, os.environ), Console.of(sys.stderr, os.environ)
    found = client.call("albums.list")["albums"]
    if as_json:
        screen.write(b"".join(map(table.json_line, found)))
        return exit_status.DONE
    rows = [(_fields(album), album["folder"] or "") for album in found]
    if screen.terminal:
        screen.write(table.table(rows, screen))
    else:
        screen.write(b"".join(table.tsv((*fields, place)) for fields, place in rows))
    for album in found:
        if album["problem"]:
            notes.print_line(f"{album['name']} keeps what it has: {album['problem']}")
    if not found and screen.terminal:
        notes.print_line("no query is kept: `phsearch-client albums save NAME QUERY...` keeps one", dim=True)
    return exit_status.DONE


class _Terms(click.Command):
    """Takes terms of a query that begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options, terms = split_args(self, args)
        if len(terms) < 2:  # noqa: PLR2004 - a name and something to look for
            return super().parse_args(ctx, [*options, *terms])
        super().parse_args(ctx, [*options, terms[0], "query"])
        ctx.params["query"] = tuple(terms[1:])
        return []


@albums.command("save", cls=_Terms, short_help="Keep a query.")
@click.argument("name")
@click.argument("query", nargs=-1, required=True)
@click.option("--folder", is_flag=True, help="Keep a folder of links to its photos, too.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, _MOST),
    default=_MOST,
    show_default=True,
    metavar="N",
    help="At most this many photos.",
)
@click.option(
    "--min", "band", type=click.Choice(_BANDS), default="weak", show_default=True, help="The lowest band that counts."
)
@click.option("--all", "everything", is_flag=True, help="Whatever fits best, however little.")
@with_client
def save(
    client: Client, name: str, query: tuple[str, ...], limit: int, band: str, *, folder: bool, everything: bool
) -> int:
    """Keep QUERY under NAME, in the place of one of that name."""
    text = query_args.query_of(query, os.path.exists)
    if wrong := validate_query(text):
        raise click.UsageError(wrong)
    cut = {} if everything else {"min_band": band}
    with show_position(text):
        made = client.call("albums.save", name=name, query=text, limit=limit, folder=folder, **cut)["album"]
    if made["folder"]:
        Console.of(sys.stdout, os.environ).print_line(made["folder"])
    if made["problem"]:
        exit_status.print_error(f"the query is kept, but not its folder: {made['problem']}")
        return exit_status.FAILED
    return exit_status.DONE


@albums.command("show", short_help="Show what one finds now.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by a null character.")
@with_client
def showing(client: Client, name: str, *, as_json: bool, null: bool) -> int:
    """Show the photos of the album NAME, as a search for its query does."""
    album = _one(client, name)
    cut: dict[str, Any] = {"min_band": album["min_band"]} if album["min_band"] else {}
    form = JSON if as_json else NULL if null else TABLE
    return run_search(search_params(album["query"], album["limit"], cut, collapse=False), form, client=client)


@albums.command("remove", short_help="Forget one, and its links.")
@click.argument("name")
@with_client
def remove(client: Client, name: str) -> int:
    """Forget the album NAME and its folder of links; no photo is touched."""
    client.call("albums.remove", name=name)
    return exit_status.DONE


def _one(client: Client, name: str) -> dict[str, Any]:
    found = client.call("albums.list")["albums"]
    for album in found:
        if album["name"] == name:
            return dict(album)
    known = ", ".join(album["name"] for album in found) or "none"
    raise click.UsageError(f'There is no album "{name}"; there are: {known}.')


def _fields(album: dict[str, Any]) -> tuple[str, ...]:
    return album["name"], "" if album["photos"] is None else f"{album['photos']:,}", album["query"]
