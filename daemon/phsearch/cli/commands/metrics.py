"""`metrics`: numbers for Prometheus, on stdout or in a file for node_exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phsearch.atomic_write import atomic_write
from phsearch.cli import exit_status
from phsearch.cli.options import NoArgumentsCommand, with_client
from phsearch.cli.program import PathName
from phsearch.cli.terminal import Console
from phsearch.errors import PhsearchError, remedy_of
from phsearch.text import escape_control_chars

if TYPE_CHECKING:
    from phsearch.client import Client

_DOWN = "# HELP phsearch_up Whether the daemon answers.\n# TYPE phsearch_up gauge\nphsearch_up 0\n"
_READABLE = 0o644
"""node_exporter runs as another user. It reads `*.prom` only, so never a file that is being written."""


@click.command(cls=NoArgumentsCommand, short_help="Print numbers for Prometheus.")
@click.option(
    "--textfile",
    type=PathName(),
    metavar="FILE",
    help="Write them to FILE, all at once, for node_exporter; phsearch_up is 0 if the daemon does not answer.",
)
@with_client
def metrics(client: Client, textfile: str | None) -> int:
    """Print the daemon's numbers in Prometheus' text format."""
    if textfile is None:
        console, text = Console.stdout(), client.metrics().text
        console.write(escape_control_chars(text) if console.terminal else text.encode())
        return exit_status.DONE
    try:
        text = client.metrics().text
    except PhsearchError:
        _write_textfile(textfile, _DOWN)
        raise
    _write_textfile(textfile, text)
    return exit_status.DONE


def _write_textfile(file: str, text: str) -> None:
    try:
        atomic_write(file, text.encode(), mode=_READABLE)
    except OSError as problem:
        what = problem.strerror or str(problem)
        remedy = remedy_of(problem.errno, "name a file in a folder you may write")
        raise PhsearchError(f"cannot write {file}: {what}", remedy) from problem
