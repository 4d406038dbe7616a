"""Hits with their pictures in the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.render.hits import TABLE, format_hits
from phsearch.cli.render.images.detect import CHOICES, detect_protocol, multiplexer, terminal_cells
from phsearch.cli.render.images.layout import print_grid, print_list
from phsearch.cli.render.images.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.cli.render.images.protocols import Draw
    from phsearch.cli.terminal import Console
    from phsearch.client import Client
    from phsearch.wire.results.search import Hit


def picture_printer(
    client: Client, how: str, *, grid: bool, shares: bool = False
) -> Callable[[Sequence[Hit], Console], None]:
    """Return a function that prints hits with their pictures.

    Where the terminal shows no pictures, it prints the hits alone and why. Raise BadParameter for an unknown `how`.
    """
    if how not in CHOICES:
        raise click.BadParameter(f'"{how}" is none of {", ".join(CHOICES)}.', param_hint="--thumbnails")

    def show(hits: Sequence[Hit], console: Console) -> None:
        found = detect_protocol(how, sys.stdout, os.environ)
        if found is None:
            console.write(format_hits(hits, TABLE, console, shares=shares))
            if console.terminal:
                between = multiplexer(os.environ) if how == "auto" else ""
                exit_status.print_error(NOT_THROUGH.format(between) if between else NO_PICTURES)
            return
        draw: Draw = PROTOCOLS[found]
        print_pictures = print_grid if grid else print_list
        print_pictures(hits, client, draw, terminal_cells(sys.stdout), console, shares=shares)

    return show


NO_PICTURES = "this terminal shows no pictures: kitty, WezTerm, Ghostty, iTerm2, foot and xterm -ti vt340 do"

NOT_THROUGH = "{} passes no pictures on to the terminal: ask outside of it"
