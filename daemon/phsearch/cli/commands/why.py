"""`why`: where a photo is, and why it is or is not found."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from phsearch.cli import PROGRAM
from phsearch.cli import exit_status as exits
from phsearch.cli.options import asking
from phsearch.cli.render import table as output
from phsearch.cli.search_request import objection
from phsearch.cli.terminal import Screen

if TYPE_CHECKING:
    from phsearch.client import Client


@click.command(short_help="Say where a photo is, and why it is found or not.")
@click.argument("path", type=click.Path())
@click.argument("query", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@asking
def why(client: Client, path: str, query: tuple[str, ...], *, as_json: bool) -> int:
    """Say where the photo at PATH is on its way into the index, and with a QUERY how well it matches.

    The exit status is 0 when the photo can be found by a search, and 1 when it cannot. For a folder it says how many
    photos in it can be.
    """
    # Absolute, but not resolved: the daemon knows its folders by the names their owner uses.
    params = {"path": os.path.abspath(path)}  # noqa: PTH100
    if query:
        params["query"] = " ".join(query)
        if wrong := objection(params["query"]):
            raise click.UsageError(wrong)
    answer = client.call("library.why", **params)
    screen = Screen.of(sys.stdout, os.environ)
    if as_json:
        screen.write(output.json_line(answer))
    else:
        screen.say(f"{answer['path']}: {answer['text']}")
        if answer["match"]:
            screen.say(answer["match"]["text"])
    if answer["verdict"] in {"missing", "outside"} and os.sep not in path:
        words = " ".join(("why", path, *query))
        Screen.of(sys.stderr, os.environ).say(f"to search for these words: {PROGRAM} search {words}", dim=True)
    return exits.DONE if answer["findable"] else exits.FAILED
