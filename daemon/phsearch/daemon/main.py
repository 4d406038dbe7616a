"""`phsearchd`: the command line. What a command needs is imported when it runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from phsearch import __version__, logs
from phsearch.cli import exit_status
from phsearch.cli.names import DAEMON
from phsearch.cli.program import PathName, Program, run_program
from phsearch.interpreter import open_missing_streams, use_utf8

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXIT_STATUSES = {
    exit_status.DONE: "Done, or stopped by a signal.",
    exit_status.FAILED: "Failed. The last line on stderr says why, and what to do.",
    exit_status.USAGE: "Wrong usage.",
    exit_status.CONFIG: "There is a mistake in the settings.",
}
_ROOT = "--root"


def main(
    argv: Sequence[str] | None = None, *, worker: tuple[str, ...] | None = None, has_model: bool = False
) -> NoReturn:
    """Run the daemon in the foreground until a signal stops it, or a command of `phsearchd`.

    `argv` is the command line, by default that of this process. `worker` is the program of a worker process, for tests;
    it runs the model by the daemon's plan only if it `has_model`.
    """
    use_utf8()
    open_missing_streams()
    program = {"worker": worker, "has_model": has_model}
    try:
        status = run_program(commands, sys.argv[1:] if argv is None else argv, DAEMON, program)
    except (click.ClickException, click.Abort) as problem:
        status = exit_status.report_click_error(problem)
    sys.exit(status)


def spread_roots(ctx: click.Context, args: Sequence[str]) -> list[str]:
    """Return `args` with --root before each of its folders: click has no option with any number of values.

    Raise UsageError for a --root without a folder.
    """
    spread: list[str] = []
    after_root = False
    for at, arg in enumerate(args):
        if arg == "--":
            return [*spread, *args[at:]]
        if after_root and not arg.startswith("-") and spread[-1] != _ROOT:
            spread.append(_ROOT)
        elif after_root and arg.startswith("-"):
            after_root = False
            _check_folder_given(ctx, spread)
        spread.append(arg)
        after_root = after_root or arg == _ROOT
    _check_folder_given(ctx, spread)
    return spread


def _check_folder_given(ctx: click.Context, args: Sequence[str]) -> None:
    if args and args[-1] == _ROOT and not ctx.resilient_parsing:
        raise click.BadOptionUsage(_ROOT, f"Option {_ROOT!r} requires an argument.", ctx)


class _RootsCommand(click.Command):
    """A command that takes any number of folders after --root."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread_roots(ctx, args))


class _DaemonProgram(_RootsCommand, Program):
    """The daemon itself, which takes them, too."""


@click.group(
    cls=_DaemonProgram,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    exit_statuses=_EXIT_STATUSES,
)
@click.option("--config", type=PathName(), metavar="FILE", help="Read the settings from FILE.")
@click.option(_ROOT, multiple=True, type=PathName(folder=True), metavar="DIR...", help="Watch only these folders.")
@click.option("--state-dir", type=PathName(folder=True), metavar="DIR", help="Keep the index here.")
@click.option("--socket", type=PathName(), metavar="PATH", help="Listen here.")
@click.option("--model", metavar="NAME", help='"mini", an open_clip name, or "local-dir:/path".')
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="What to log.")
@click.option("--rebuild", is_flag=True, help="Discard what the index has of this model, and embed every photo again.")
@click.version_option(__version__, message="%(prog)s %(version)s", help="Show the version.")
@click.pass_context
def commands(ctx: click.Context, /, **given: Any) -> int | None:
    """Watch photo folders, understand every picture, and answer phsearch-client.

    \b
      phsearchd                                   run here, until Ctrl-C
      phsearchd --root ~/Pictures /mnt/photos     watch only these folders
      phsearchd install --now                     run as a service instead

    Settings are read from $XDG_CONFIG_HOME/phsearch/config.toml. Options win over them.
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    if ctx.invoked_subcommand is None:
        from phsearch.daemon.start import start  # noqa: PLC0415 - not for --help

        return start(given, os.environ, **ctx.obj)
    if any(given.values()):
        own = f"{ctx.invoked_subcommand} takes its own options only"
        raise click.UsageError(f"{own}: the service runs with the settings in config.toml", ctx)
    return None


@commands.command(cls=_RootsCommand, short_help="Run as a service of your systemd, from every login on.")
@click.option("--now", is_flag=True, help="Start at once.")
@click.option(
    _ROOT, "folders", multiple=True, type=PathName(folder=True), metavar="DIR...", help="Watch these folders."
)
def install(folders: tuple[str, ...], *, now: bool) -> int:
    """Run phsearchd as a service of your systemd, from every login on. Settings that are there already stay."""
    from phsearch.daemon.start import run_installer  # noqa: PLC0415 - see commands
    from phsearch.installer.install import install as install_service  # noqa: PLC0415

    return run_installer(lambda print_line: install_service(folders, os.environ, print_line, now=now), os.environ)


@commands.command(short_help="Remove the service.")
@click.option("--purge", is_flag=True, help="Also remove the index and the settings.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(*, purge: bool, yes: bool) -> int:
    """Remove the service. The index and the settings stay, unless they are purged. Photos always stay."""
    from phsearch.daemon.start import run_installer  # noqa: PLC0415 - see commands
    from phsearch.installer.uninstall import uninstall as uninstall_service  # noqa: PLC0415

    return run_installer(lambda print_line: uninstall_service(os.environ, print_line, purge=purge, yes=yes), os.environ)


if __name__ == "__main__":
    main()
