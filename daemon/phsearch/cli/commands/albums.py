"""`albums`: saved queries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status, query_args
from phsearch.cli.completion.suggestions import complete_term, daemon_names
from phsearch.cli.options import QueryCommand, json_lines_option, with_client
from phsearch.cli.render import table
from phsearch.cli.render.hits import JSON, NULL, TABLE
from phsearch.cli.search_request import run_search, search_params, show_position, validate_query
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.wire.methods import METHODS
from phsearch.wire.results.albums import AlbumList

if TYPE_CHECKING:
    from phsearch.client import Client, MinBand
    from phsearch.wire.results.albums import Album

_MAX_LIMIT = 1000
_BANDS = next(param.choices for param in METHODS["albums.save"].params if param.name == "min_band")


@click.group(short_help="Save queries, each with a folder of links if you like.", invoke_without_command=True)
@click.pass_context
def albums(ctx: click.Context) -> int | None:
    """Save queries under a name. With --folder an album is also a folder of links that follows the library.

    \b
      phsearch-client albums save snow -- snow -people date:2020..
      phsearch-client albums save --folder cats cat
      phsearch-client albums show snow
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    return ctx.invoke(list_albums) if ctx.invoked_subcommand is None else None


@albums.command("list", short_help="List the albums.")
@json_lines_option
@with_client
def list_albums(client: Client, *, as_json: bool = False) -> int:
    """List the albums: name, number of photos where there is a folder, query, and the folder."""
    console, notes = Console.stdout(), Console.stderr()
    answer = client.call("albums.list")
    found = parse_answer(AlbumList, answer).albums
    if as_json:
        console.write(b"".join(map(table.json_line, answer["albums"])))
        return exit_status.DONE
    rows = [(_table_fields(album), album.folder or "") for album in found]
    if console.terminal:
        console.write(table.table(rows, console))
    else:
        console.write(b"".join(table.tsv((*fields, folder)) for fields, folder in rows))
    for album in found:
        if album.problem:
            notes.print_line(f"{album.name} keeps what it has: {album.problem}")
    if not found and console.terminal:
        notes.print_line("no query is kept: `phsearch-client albums save NAME QUERY...` keeps one", dim=True)
    return exit_status.DONE


@albums.command("save", cls=QueryCommand, short_help="Save a query.")
@click.argument("name", shell_complete=daemon_names("albums.list", "albums", "name"))
@click.argument("query", nargs=-1, required=True, shell_complete=complete_term)
@click.option("--folder", is_flag=True, help="Also keep a folder of links to its photos.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, _MAX_LIMIT),
    default=_MAX_LIMIT,
    show_default=True,
    metavar="N",
    help="At most this many photos.",
)
@click.option(
    "--min", "band", type=click.Choice(_BANDS), default="weak", show_default=True, help="The lowest band of a hit."
)
@click.option("--all", "everything", is_flag=True, help="Take the best photos, even if they hardly fit.")
@with_client
def save(
    client: Client, name: str, query: tuple[str, ...], limit: int, band: MinBand, *, folder: bool, everything: bool
) -> int:
    """Save QUERY under NAME. It replaces an album of that name."""
    text = query_args.query_of(query, os.path.exists)
    if wrong := validate_query(text):
        raise click.UsageError(wrong)
    with show_position(text):
        made = client.save_album(name, text, limit=limit, min_band=None if everything else band, folder=folder)
    if made.folder:
        Console.stdout().print_line(made.folder)
    if made.problem:
        exit_status.print_error(f"the query is kept, but not its folder: {made.problem}")
        return exit_status.FAILED
    return exit_status.DONE


@albums.command("show", short_help="Show the photos that one finds now.")
@click.argument("name", shell_complete=daemon_names("albums.list", "albums", "name"))
@json_lines_option
@click.option("-0", "--null", is_flag=True, help="Print only paths, each with a null character after it.")
@with_client
def show_album(client: Client, name: str, *, as_json: bool, null: bool) -> int:
    """Show the photos of the album NAME, as a search for its query shows them."""
    album = _find_album(client, name)
    cut = {"min_band": album.min_band} if album.min_band else {}
    form = JSON if as_json else NULL if null else TABLE
    params = search_params(album.query, album.limit, cut, collapse=False)
    return run_search(params, form, client=client, strict=True)


@albums.command("remove", short_help="Remove an album and its links.")
@click.argument("name", shell_complete=daemon_names("albums.list", "albums", "name"))
@with_client
def remove(client: Client, name: str) -> int:
    """Remove the album NAME and its folder of links. Photos are not touched."""
    client.remove_album(name)
    return exit_status.DONE


def _find_album(client: Client, name: str) -> Album:
    found = client.albums()
    for album in found:
        if album.name == name:
            return album
    known = ", ".join(album.name for album in found) or "none"
    raise click.UsageError(f'There is no album "{name}"; there are: {known}.')


def _table_fields(album: Album) -> tuple[str, ...]:
    return album.name, "" if album.photos is None else f"{album.photos:,}", album.query
