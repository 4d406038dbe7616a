"""`search`, the command that runs if no other is named."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli.completion.suggestions import complete_term, daemon_names, one_of
from phsearch.cli.options import absolute_model, in_range, split_args, with_client
from phsearch.cli.query_args import query_of
from phsearch.cli.query_options import OPTIONS, query_language, query_options, terms_of
from phsearch.cli.render.hits import JSON, NULL, TABLE, compile_template
from phsearch.cli.search_request import CUTOFF_PARAMS, LIMIT, run_search, search_params, validate_query
from phsearch.paths import absolute_path
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    from phsearch.cli.render.hits import Form
    from phsearch.client import Client

_PARAMS = {param.name: param for param in METHODS["search"].params}
_MAX_LIMIT = int(_PARAMS["limit"].high or LIMIT)
_MAX_SYNC = _PARAMS["sync"].high or 0
_BANDS = _PARAMS["min_band"].choices
_PROTOCOLS = ("auto", "kitty", "iterm2", "sixel", "none")
_SYNC_SECONDS = 30
_EXAMPLE_COLUMNS = 40
_WITH_VALUE = {"--sync": str(_SYNC_SECONDS), "--open": "1", "--thumbnails": "auto"}
"""Options that take a value only after "=", or the first word of the query would be it -> the value without "="."""


class _Search(click.Command):
    """Accepts terms of the query anywhere among the options, also terms that begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options, terms = split_args(self, args, _WITH_VALUE)
        super().parse_args(ctx, [f"{each}={_WITH_VALUE[each]}" if each in _WITH_VALUE else each for each in options])
        ctx.params["query"] = tuple(terms)
        return []

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Suggest the options, and filters with a minus."""
        return [
            *super().shell_complete(ctx, incomplete),
            *([] if incomplete.startswith("--") else complete_term(ctx, None, incomplete)),
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Explain the query language above the options."""
        with formatter.section("Query"):
            formatter.write_dl(query_language(), col_max=_EXAMPLE_COLUMNS)
        super().format_options(ctx, formatter)


def _parse_min(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """Parse --min: a band or a probability."""
    if value is None or value in _BANDS:
        return None if value is None else {"min_band": value}
    try:
        number = float(value)
    except ValueError:
        number = -1
    if 0 <= number <= 1:
        return {"min_relevance": number}
    raise click.BadParameter(f'"{value}" is none of {", ".join(_BANDS)}, and no number from 0 to 1.', ctx, param)


def _parse_format(ctx: click.Context, param: click.Parameter, value: str | None) -> Form | None:
    try:
        return None if value is None else compile_template(value)
    except ValueError as problem:
        message = str(problem)
        raise click.BadParameter(message if message.endswith("?") else f"{message}.", ctx, param) from None


def _parse_command(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Split --exec into words as a shell would; no shell ever runs it."""
    try:
        words = None if value is None else shlex.split(value)
    except ValueError as problem:
        raise click.BadParameter(f"{problem}.", ctx, param) from None
    if words is not None and not words:
        raise click.BadParameter("it is empty.", ctx, param)
    return words


@click.command(cls=_Search, short_help="Find photos by what they show (the default).")
@click.argument("query", nargs=-1, shell_complete=complete_term)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, _MAX_LIMIT),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Show at most this many photos.",
)
@query_options
@click.option(
    "--min",
    "least",
    callback=_parse_min,
    shell_complete=one_of(_BANDS),
    metavar="BAND",
    help="Show only what is at least strong, likely or weak (the default), or as probable as 0.25.",
)
@click.option("--all", "everything", is_flag=True, help="Show also what hardly fits.")
@click.option("--strict", is_flag=True, help="Show nothing, not even the nearest photos, if none is good enough.")
@click.option(
    "--min-score",
    type=float,
    callback=in_range(-1, 1),
    metavar="SCORE",
    help="Leave out photos with a cosine below this.",
)
@click.option(
    "--model",
    "model",
    shell_complete=daemon_names("model.list", "models", "name"),
    metavar="NAME",
    help="Search by this model, which is being prepared, as far as it has come.",
)
@click.option("--softmax", is_flag=True, help="Show which part of the model's choice among the hits each one has.")
@click.option("--expand", is_flag=True, help="Show every photo of a burst, and all copies.")
@click.option(
    "--sync",
    type=float,
    callback=in_range(0, _MAX_SYNC),
    metavar="[=SECONDS]",
    help=f"First wait, {_SYNC_SECONDS} s at most, until every photo that was there before can be found; "
    "75 if that failed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by a null character, for xargs -0.")
@click.option(
    "--format", "form", callback=_parse_format, metavar="TEXT", help=r"Print this of each hit, e.g. '{score}\t{path}'."
)
@click.option("--grid", is_flag=True, help="Show the pictures, in rows, where the terminal can.")
@click.option(
    "--thumbnails",
    shell_complete=one_of(_PROTOCOLS),
    metavar="[=HOW]",
    help="Show a picture beside each hit: auto, kitty, iterm2, sixel or none.",
)
@click.option(
    "--open", "opened", type=click.IntRange(1, _MAX_LIMIT), metavar="[=N]", help="Open the best N photos, or the best."
)
@click.option("--follow", is_flag=True, help="Print new matches as photos arrive, until Ctrl-C.")
@click.option(
    "--exec",
    "command",
    callback=_parse_command,
    metavar="CMD",
    help="With --follow: run this for each, {} being its path.",
)
@with_client
def search(
    client: Client, query: Sequence[str], limit: int, least: dict[str, Any] | None, sync: float | None, **options: Any
) -> int:
    """Find photos by what they show, best first: how well they fit, when they were taken, and where they are.

    A table for a terminal; score, date and path for a pipe.
    """
    text = query_of(query, lambda path: os.path.exists(os.path.expanduser(path)))  # noqa: PTH110, PTH111
    terms = {name: _absolute_folders(options[name]) if name == "under" else options[name] for name in OPTIONS}
    text = " ".join([text, *terms_of(terms)]).strip()
    if problem := validate_query(text):
        raise click.UsageError(problem)
    _check_options(options, least, sync)
    cut = {} if options["everything"] else least or dict(CUTOFF_PARAMS)
    if (score := options["min_score"]) is not None:
        cut = {"min_score": score} | (least or {})
    params = search_params(text, limit, cut, collapse=not options["expand"])
    if options["model"]:
        params["model"] = absolute_model(options["model"])
    form = JSON if options["as_json"] else NULL if options["null"] else options["form"] or TABLE
    if options["follow"]:
        from phsearch.cli.follow import follow  # noqa: PLC0415 - only here

        return follow(client, params, form, options["command"])
    shares = options["softmax"]
    if _shows_pictures(options):
        from phsearch.cli.render.images import picture_printer  # noqa: PLC0415 - only here

        show = picture_printer(client, options["thumbnails"] or "auto", grid=options["grid"], shares=shares)
        return run_search(params, form, sync, client=client, show=show, strict=options["strict"])
    opened = options["opened"] or 0
    return run_search(params, form, sync, client=client, shares=shares, opened=opened, strict=options["strict"])


def _shows_pictures(options: dict[str, Any]) -> bool:
    return options["grid"] or options["thumbnails"] not in {None, "none"}


def _absolute_folders(values: Sequence[str]) -> list[str]:
    """Return existing folders as absolute paths, and other values, which are parts of a path, unchanged."""
    found = ((each, absolute_path(each, os.environ)) for each in values)
    return [path if os.path.isdir(path) else each for each, path in found]  # noqa: PTH112


def _check_options(options: dict[str, Any], least: dict[str, Any] | None, sync: float | None) -> None:
    """Raise UsageError for options that contradict each other."""
    formats = [name for name, key in _FORMATS.items() if options[key]]
    if len(formats) > 1:
        raise click.UsageError(f"{formats[0]} and {formats[1]} exclude each other: choose one.")
    if formats and formats[0] != "--grid" and _shows_pictures(options):
        raise click.UsageError(f"{formats[0]} is for programs and --thumbnails for people: choose one.")
    if options["opened"] and _shows_pictures(options):
        raise click.UsageError("--open shows photos in a viewer, --grid and --thumbnails here: choose one.")
    if options["everything"] and least is not None:
        raise click.UsageError("--all shows everything and --min does not: choose one.")
    if options["everything"] and options["strict"]:
        raise click.UsageError("--all shows everything and --strict does not: choose one.")
    if options["command"] and not options["follow"]:
        raise click.UsageError("--exec goes with --follow.")
    if options["follow"] and (options["opened"] or options["grid"] or options["thumbnails"]):
        raise click.UsageError("--follow prints lines: leave --open, --grid and --thumbnails out.")
    if options["follow"] and (options["softmax"] or sync is not None):
        raise click.UsageError("--follow prints each hit when it comes: leave --softmax and --sync out.")


_FORMATS = {"--json": "as_json", "--null": "null", "--format": "form", "--grid": "grid"}
