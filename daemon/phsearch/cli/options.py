"""What commands have in common: --socket and --timeout, numbers within bounds, and the client made of them."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import click

from phsearch import paths
from phsearch.cli import query_args
from phsearch.cli.compatibility import explain_mismatch
from phsearch.cli.names import PROGRAM
from phsearch.client import TIMEOUT, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TIMEOUTS = (0.001, 7 * 86400)  # sockets take neither none nor infinity


def in_range(low: float, high: float) -> Callable[[click.Context, click.Parameter, float | None], float | None]:
    """Make the check of a number's range; click's own takes "nan" for a number in any."""

    def check(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
        if value is None or low <= value <= high:
            return value
        raise click.BadParameter(f"{value:g} is not a number from {low:g} to {high:,g}.", ctx, param)

    return check


def split_args(command: click.Command, args: list[str], bare: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Tell a command's options from the terms of a query; `bare` ones take a value only after a "="."""
    params = {name: param for param in command.params for name in param.opts}
    known = {name: isinstance(param, click.Option) and not param.is_flag for name, param in params.items()}
    return query_args.split(args, known | dict.fromkeys(bare, False) | {"-h": False})


class NoArgumentsCommand(click.Command):
    """A command that takes no words: whoever gives some was searching for something that begins with its name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and name the way out if there are words."""
        words = [self.name or "", *args]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as problem:
            if any(word.startswith("-") for word in words):
                raise
            hint = f"To search for these words: {PROGRAM} search {' '.join(words)}"
            raise click.UsageError(f"{problem.message}. {hint}", ctx) from None


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --socket and --timeout, which every command that asks the daemon has, before or after its name."""
    socket = click.option(
        "--socket", type=click.Path(), metavar="PATH", help="The daemon's socket, if it is not the usual one."
    )
    timeout = click.option(
        "--timeout",
        type=float,
        callback=in_range(*_TIMEOUTS),
        metavar="SECONDS",
        help=f"Wait no longer than this for the answer ({TIMEOUT:g} s).",
    )
    return socket(timeout(command))


def with_client(command: Callable[..., int]) -> Callable[..., int]:
    """Add the shared options to a command and hand it the client they describe."""

    @functools.wraps(command)
    def with_client(**options: Any) -> int:
        del options["socket"], options["timeout"]
        with client() as asked:
            return explain_mismatch(asked, lambda: command(asked, **options))

    return connection_options(with_client)


def client() -> Client:
    """Make the client that the current command's options ask for."""
    return Client(option_value("socket") or paths.socket_path(os.environ), option_value("timeout"))


def option_value(name: str) -> Any:
    """Give a shared option's value, be it after the command's name or before; None where there is none."""
    context = click.get_current_context()
    own = context.params.get(name)
    return context.find_root().params.get(name) if own is None else own
