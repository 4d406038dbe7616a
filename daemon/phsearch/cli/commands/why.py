"""`why`: where a photo is, and why it is or is not found."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import with_client
from phsearch.cli.render import table
from phsearch.cli.search_request import validate_query
from phsearch.cli.terminal import Console

if TYPE_CHECKING:
    from phsearch.client import Client


@click.command(short_help="Say where a photo is, and why it is found or not.")
@click.argument("path", type=click.Path())
@click.argument("query", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_client
def why(client: Client, path: str, query: tuple[str, ...], *, as_json: bool) -> int:
    """Say where the photo at PATH is on its way into the index, and with a QUERY how well it matches.

    The exit status is 0 when the photo can be found by a search, and 1 when it cannot. For a folder it says how many
    photos in it can be.
    """
    # Absolute, but not resolved: the daemon knows its folders by the names their owner uses.
    params = {"path": os.path.abspath(path)}  # noqa: PTH100
    if query:
        params["query"] = " ".join(query)
        if wrong := validate_query(params["query"]):
            raise click.UsageError(wrong)
    answer = client.call("library.why", **params)
    screen = Console.of(sys.stdout, os.environ)
    if as_json:
        screen.write(table.json_line(answer))
    else:
        screen.print_line(f"{answer['path']}: {answer['text']}")
        if answer["match"]:
            screen.print_line(answer["match"]["text"])
    if answer["verdict"] in {"missing", "outside"} and os.sep not in path:
        words = " ".join(("why", path, *query))
        Console.of(sys.stderr, os.environ).print_line(f"to search for these words: {PROGRAM} search {words}", dim=True)
    return exit_status.DONE if answer["findable"] else exit_status.FAILED
