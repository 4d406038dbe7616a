"""Pictures in the terminal: which protocol it speaks, how large a cell is, and where each picture goes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.render.hits import TABLE, hit_printer
from phsearch.cli.render.images.detect import HOWS, cells, protocol
from phsearch.cli.render.images.layout import grid as in_grid
from phsearch.cli.render.images.layout import listed
from phsearch.cli.render.images.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.cli.render.images.protocols import Draw
    from phsearch.cli.terminal import Console
    from phsearch.client import Client


def pictures(
    client: Client, how: str, *, grid: bool, shares: bool = False
) -> Callable[[list[dict[str, Any]], Console], None]:
    """Give what prints hits with their pictures, or without them and why, where the terminal can show none."""
    if how not in HOWS:
        raise click.BadParameter(f'"{how}" is none of {", ".join(HOWS)}.', param_hint="--thumbnails")

    def show(hits: list[dict[str, Any]], screen: Console) -> None:
        found = protocol(how, sys.stdout, os.environ)
        if found is None:
            screen.write(hit_printer(hits, TABLE, screen, shares=shares))
            if screen.terminal:
                exit_status.print_error(NO_PICTURES)
            return
        draw: Draw = PROTOCOLS[found]
        layout = in_grid if grid else listed
        layout(hits, client, draw, cells(sys.stdout), screen, shares=shares)

    return show


NO_PICTURES = "this terminal shows no pictures: kitty, WezTerm, Ghostty, iTerm2, foot and xterm -ti vt340 do"
