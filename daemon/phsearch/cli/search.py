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
_LONGEST = next(param.high or 0 for param in METHODS["search"].params if param.name == "sync")
_SYNC = "--sync"
_PATIENCE = 30


class _Search(click.Command):
    """Takes --sync with its seconds only after a "=": click would take the first word of the query for them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        options = [f"{_SYNC}={_PATIENCE}" if arg == _SYNC else arg for arg in args[:end]]
        return super().parse_args(ctx, options + args[end:])


@click.command(cls=_Search, short_help="Find photos by what they show (the default).")
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
@click.option(
    _SYNC,
    type=float,
    callback=between(0, _LONGEST),
    metavar="[=SECONDS]",
    help=f"First wait, {_PATIENCE} s at most, until every photo that was there before can be found; 75 if that failed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by a null character, for xargs -0.")
@asking
def search(
    client: Client,
    query: tuple[str, ...],
    limit: int,
    min_score: float | None,
    sync: float | None,
    *,
    as_json: bool,
    null: bool,
) -> int:
    """Find photos by what they show, best first: score, date and path.

    A table for a terminal, tab-separated for a pipe.
    """
    if as_json and null:
        raise click.UsageError("--json and --null exclude each other: choose one.")
    text = " ".join(query)
    if wrong := objection(text):
        raise click.UsageError(wrong)
    return find(text, limit, min_score, JSON if as_json else NULL if null else TABLE, sync, client=client)
