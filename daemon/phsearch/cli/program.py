"""What both programs share: the style of their help, and how their command lines are run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, add_completion_class

from phsearch.cli.names import completion_variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Program(click.Group):
    """The commands of one program. Its help ends with the exit statuses."""

    def __init__(self, *args: Any, exit_statuses: Mapping[int, str], **given: Any) -> None:
        super().__init__(*args, context_settings={"help_option_names": ["-h", "--help"]}, **given)
        self.exit_statuses = exit_statuses

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the exit statuses."""
        with formatter.section("Exit status"):
            formatter.write_dl([(str(status), meaning) for status, meaning in self.exit_statuses.items()])
        super().format_epilog(ctx, formatter)


class PathName(click.ParamType[str]):
    """A path as it was typed. Unlike click.Path it asks no file system: what cannot be read is named, too."""

    name = "path"

    def __init__(self, *, folder: bool = False) -> None:
        self._kind = "dir" if folder else "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Let the shell suggest names."""
        return [CompletionItem(incomplete, type=self._kind)]


def run_program(commands: Program, args: Sequence[str], program: str, given: object = None) -> int:
    """Run a command line, or answer the shell, and return the exit status. `given` is the object of click's context.

    Raise click's exceptions for a wrong usage.
    """
    variable = completion_variable(program)
    if variable in os.environ:
        from phsearch.cli.completion import shells  # noqa: PLC0415 - only for a shell that asks

        shells.use_our_shells(add_completion_class)
    status: int | None = commands.main(list(args), program, variable, standalone_mode=False, obj=given)
    return status or 0
