"""`search`: the command that is meant when none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phsearch.cli.find import JSON, LIMIT, NULL, TABLE, find, objection
from phsearch.cli.options import asking, between
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from phsearch.client import Client

_MOST = next(int(param.high or LIMIT) for param in METHODS["search"].params if param.name == "limit")


@click.command(short_help="Find photos by what they show (the default).")
@click.argument("query", nargs=-1, required=True)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, _MOST),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Show at most this many photos.",
)
@click.option(
    "--min-score",
    type=float,
    callback=between(-1, 1),
    metavar="SCORE",
    help="Leave out photos that match less than this; scores are the first column.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by a null character, for xargs -0.")
@asking
def search(
    client: Client, query: tuple[str, ...], limit: int, min_score: float | None, *, as_json: bool, null: bool
) -> int:
    """Find photos by what they show, best first: score, date and path.

    A table for a terminal, tab-separated for a pipe.
    """
    if as_json and null:
        raise click.UsageError("--json and --null exclude each other: choose one.")
    text = " ".join(query)
    if wrong := objection(text):
        raise click.UsageError(wrong)
    return find(text, limit, min_score, JSON if as_json else NULL if null else TABLE, client)
