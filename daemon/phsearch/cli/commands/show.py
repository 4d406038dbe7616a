"""`show`: draw a photo of the library in the terminal, also as the preview of a chooser such as fzf."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.options import with_client
from phsearch.cli.program import PathName
from phsearch.cli.render.images import NO_PICTURES
from phsearch.cli.render.images.detect import CHOICES, detect_protocol, terminal_cells
from phsearch.cli.render.images.layout import print_photo
from phsearch.cli.render.images.protocols import PROTOCOLS
from phsearch.cli.terminal import Console
from phsearch.paths import absolute_path

if TYPE_CHECKING:
    from phsearch.client import Client

_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")


def _parse_size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    found = _SIZE.fullmatch(value)
    if not found or "0" in (found[1], found[2]):
        raise click.BadParameter(f'"{value}" is no size in columns and lines, e.g. 80x24.', ctx, param)
    return int(found[1]), int(found[2])


@click.command(short_help="Draw a photo in the terminal.")
@click.argument("path", type=PathName())
@click.option(
    "--size", callback=_parse_size, metavar="COLUMNSxLINES", help="How much room there is (the whole terminal)."
)
@click.option(
    "--thumbnails",
    "how",
    type=click.Choice(CHOICES[:-1]),
    default="auto",
    show_default=True,
    help="The terminal's protocol for pictures.",
)
@with_client
def show(client: Client, path: str, size: tuple[int, int] | None, how: str) -> int:
    """Draw the photo at PATH in the terminal. It must be in the library.

    \b
      phsearch-client --format '{path}' --all beach |
        fzf --preview 'phsearch-client show {} --size ${FZF_PREVIEW_COLUMNS}x${FZF_PREVIEW_LINES}'
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    console = Console.stdout()
    # A chooser reads the preview through a pipe, and passes the size of the terminal.
    found = detect_protocol(how, sys.stdout if size is None else sys.stderr, os.environ)
    if found is None:
        exit_status.print_error(f"{NO_PICTURES}; --thumbnails= says which it is, if it was not recognised")
        return exit_status.FAILED
    room = terminal_cells(sys.stdout if size is None else sys.stderr)
    if size is not None:
        room = room._replace(columns=size[0], lines=size[1])
    path = absolute_path(path, os.environ)
    return exit_status.DONE if print_photo(path, client, PROTOCOLS[found], room, console) else exit_status.FAILED
