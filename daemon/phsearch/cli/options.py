"""What commands have in common: options, numbers within bounds, and the client that --socket and --timeout ask for."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import query_args
from phsearch.cli.names import PROGRAM
from phsearch.cli.program import PathName
from phsearch.client import TIMEOUT, Client
from phsearch.paths import absolute_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Decorator = Callable[[Any], Any]

_TIMEOUTS = (0.001, 7 * 86400)  # sockets take neither zero nor infinity


def in_range(low: float, high: float) -> Callable[[click.Context, click.Parameter, float | None], float | None]:
    """Return the check of a number's range. click's own check lets "nan" pass in any range."""

    def check(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
        if value is None or low <= value <= high:
            return value
        raise click.BadParameter(f"{value:g} is not a number from {low:g} to {high:,g}.", ctx, param)

    return check


def options(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds several options. The help lists them in this order."""

    def add_all(command: Any) -> Any:
        return functools.reduce(lambda decorated, add: add(decorated), reversed(decorators), command)

    return add_all


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
json_lines_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")

connection_options = options(
    click.option("--socket", type=PathName(), metavar="PATH", help="The daemon's socket, if it is not the usual one."),
    click.option(
        "--timeout",
        type=float,
        callback=in_range(*_TIMEOUTS),
        metavar="SECONDS",
        help=f"Wait at most this long for the answer ({TIMEOUT:g} s).",
    ),
)
"""Options of every command that asks the daemon. They may stand before or after its name."""


def absolute_model(name: str) -> str:
    """Return a model's name as it was typed, but for a folder below the working folder, which the daemon has not."""
    prefix, colon, folder = name.partition(":")
    if prefix != "local-dir" or not colon or folder.startswith(("/", "~")):
        return name
    return f"{prefix}:{absolute_path(folder, os.environ)}"


def split_args(command: click.Command, args: list[str], bare: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Return a command's options and the terms of a query apart. `bare` options take a value only after a "="."""
    params = {name: param for param in command.params for name in param.opts}
    known = {name: isinstance(param, click.Option) and not param.is_flag for name, param in params.items()}
    return query_args.split(args, known | dict.fromkeys(bare, False) | {"-h": False})


class QueryCommand(click.Command):
    """A command with one argument before its query, whose terms may begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options and the first argument. All other words are terms."""
        options, terms = split_args(self, args)
        if len(terms) < 2:  # noqa: PLR2004 - the first argument and a term
            return super().parse_args(ctx, [*options, *terms])
        super().parse_args(ctx, [*options, "--", terms[0], "query"])
        ctx.params["query"] = tuple(terms[1:])
        return []


class NoArgumentsCommand(click.Command):
    """A command without arguments. Words after it are probably a query that begins with the command's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse. The error for words after the command says how to search for them."""
        words = [self.name or "", *args]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as problem:
            if any(word.startswith("-") for word in words):
                raise
            hint = f"To search for these words: {PROGRAM} search {' '.join(words)}"
            raise click.UsageError(f"{problem.message}. {hint}", ctx) from None


def with_client(command: Callable[..., int]) -> Callable[..., int]:
    """Add the connection options to a command, and pass it the client that they ask for."""

    @functools.wraps(command)
    def wrapper(**given: Any) -> int:
        del given["socket"], given["timeout"]
        with make_client() as client:
            try:
                return command(client, **given)
            except Exception as problem:
                from phsearch.cli.compatibility import raise_mismatch  # noqa: PLC0415 - only after an error

                raise_mismatch(client, problem)
                raise

    wrapped: Callable[..., int] = connection_options(wrapper)
    return wrapped


def make_client() -> Client:
    """Return the client that the current command's options ask for."""
    return Client(option_value("socket"), option_value("timeout"))


def option_value(name: str) -> Any:
    """Return a connection option's value, given after the command's name or before it; None without one."""
    context = click.get_current_context()
    own = context.params.get(name)
    return context.find_root().params.get(name) if own is None else own
