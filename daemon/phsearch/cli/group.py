"""The click group: a command is imported when it is called. A first word that is no command begins a query."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.names import COMMANDS, PROGRAM
from phsearch.cli.options import connection_options, make_client
from phsearch.cli.program import Program
from phsearch.text import one_line

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_EXIT_STATUSES = {
    exit_status.DONE: "Done, also when nothing was found.",
    exit_status.FAILED: "Failed, or `why`, `verify` or `doctor` found something wrong.",
    exit_status.USAGE: "Wrong usage, or a mistake in the query.",
    exit_status.UNREACHABLE: "The daemon is not running.",
    exit_status.NOT_READY: "The daemon is not ready, or did not answer in time.",
    exit_status.INTERRUPTED: "Interrupted.",
}
_CONNECTION_OPTIONS = ("--socket", "--timeout")
_GROUP_OPTIONS = ("--help", "-h", "--version")
_VERSION_SECONDS = 0.5  # how long --version waits for the daemon's


def insert_search(args: list[str]) -> list[str]:
    """Return `args` with `search` where the command is missing: in the first place, or after the shared options."""
    at = 0
    while at < len(args) and args[at].partition("=")[0] in _CONNECTION_OPTIONS:
        at += 1 if "=" in args[at] else 2
    if at >= len(args) or args[at] in COMMANDS or args[at] in _GROUP_OPTIONS:
        return args
    return [*args[:at], "search", *args[at:]]


class Commands(Program):
    """A group whose default command is `search`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's, too
        """Import a command's module and return the command."""
        if (module := COMMANDS.get(cmd_name)) is None:
            return None
        command: click.Command = getattr(import_module(f"phsearch.cli.commands.{module}"), cmd_name.replace("-", "_"))
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with `search` inserted where the command is missing."""
        return super().parse_args(ctx, insert_search(args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options of `search` first: they need no command before them."""
        if (search := self.get_command(ctx, "search")) is not None:
            own = {param.name for param in self.get_params(ctx)}
            records = [param.get_help_record(ctx) for param in search.params if param.name not in own]
            with formatter.section("Search options"):
                formatter.write_dl([record for record in records if record and record[0].startswith("-")])
        super().format_options(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Suggest what `search` takes too: it needs no command before it."""
        found = super().shell_complete(ctx, incomplete)
        search = self.get_command(ctx, "search")
        if search is None:
            return found
        names = {item.value for item in found}
        return found + [item for item in search.shell_complete(ctx, incomplete) if item.value not in names]


@click.group(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="QUERY... | COMMAND",
    exit_statuses=_EXIT_STATUSES,
)
@connection_options
@click.option("--version", is_flag=True, help="Show the versions of client and daemon.")
@click.pass_context
def commands(ctx: click.Context, /, *, version: bool, **_: Any) -> None:
    """Find photos by what they show.

    \b
      phsearch-client dog on a beach              the 20 best photos
      phsearch-client -n 5 --json sunset          for programs
      phsearch-client -0 receipt | xargs -0 cp -t /tmp
      phsearch-client search status               a word that is also a command
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    if version:
        ctx.exit(_print_versions())
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _print_versions() -> int:
    from phsearch import __version__  # noqa: PLC0415 - used only here

    click.echo(f"{PROGRAM} {__version__}")
    try:
        with make_client() as client:
            client.timeout, client.starting = min(client.timeout, _VERSION_SECONDS), 0.0
            status = client.call("status")
            click.echo(one_line(f"phsearchd {status['version']} (protocol {status['protocol']})"))
    except Exception:  # noqa: BLE001, S110 - the client's version is the answer; the daemon's is a bonus
        pass
    return exit_status.DONE
