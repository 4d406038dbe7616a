"""Where pictures are drawn: beside their lines, in a grid, or one alone.

Empty lines are printed first, so that the terminal scrolls before the first picture is drawn and not after.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from phsearch.cli.render import table
from phsearch.cli.render.hits import rank_fields
from phsearch.errors import DaemonUnreachableError, PhsearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.cli.render.images.detect import Cells
    from phsearch.cli.render.images.protocols import Draw
    from phsearch.cli.terminal import Console
    from phsearch.client import Client
    from phsearch.wire.results.search import Hit

_TILE = 24
_TILE_LINES = 9
_GAP = 2
_LIST_TILE, _LIST_TILE_LINES = 10, 4
_CAPTIONS = 2  # lines of text that belong to a picture
_SHORTEST, _LONGEST = 16, 1024  # a thumbnail's side, in pixels


class Picture(NamedTuple):
    """The bytes that draw a picture, and the columns and lines it covers. `problem` says why there is none."""

    data: bytes
    columns: int
    lines: int
    problem: str = ""


def print_grid(
    hits: Sequence[Hit], client: Client, draw: Draw, cells: Cells, console: Console, *, shares: bool = False
) -> None:
    """Print pictures in rows as wide as the terminal. Below each picture are its rank and its name."""
    across = max((cells.columns + _GAP) // (_TILE + _GAP), 1)
    tile, lines = min(_TILE, cells.columns), _fit_lines(_TILE_LINES, cells, _CAPTIONS)
    for start in range(0, len(hits), across):
        row = hits[start : start + across]
        made = [fetch_picture(hit.path, client, draw, cells, tile, lines) for hit in row]
        height = max(each.lines for each in made)
        _draw([(each, place * (tile + _GAP)) for place, each in enumerate(made)], height, console)
        for caption in ([_rank_text(hit, shares=shares) for hit in row], [_name(hit) for hit in row]):
            cut = [table.padded(table.keep_start(text, tile), tile + _GAP) for text in caption]
            console.write(console.dim("".join(cut).rstrip()) + "\n")


def print_list(
    hits: Sequence[Hit], client: Client, draw: Draw, cells: Cells, console: Console, *, shares: bool = False
) -> None:
    """Print a picture beside each hit's line."""
    lines = max(_fit_lines(_LIST_TILE_LINES, cells), _CAPTIONS)
    for hit in hits:
        made = fetch_picture(hit.path, client, draw, cells, _LIST_TILE, lines)
        indent = " " * (_LIST_TILE + _GAP)
        room = max(cells.columns - len(indent), 1)
        _draw(
            [(made, 0)],
            lines,
            console,
            [
                console.dim(table.keep_start(_rank_text(hit, shares=shares), room)),
                table.path_cell(hit.path, room, console),
            ],
        )


def print_photo(path: str, client: Client, draw: Draw, cells: Cells, console: Console) -> bool:
    """Print one picture as large as it fits, or why there is none. Return whether there is one."""
    made = fetch_picture(path, client, draw, cells, cells.columns, max(cells.lines - 1, 1))
    if made.problem:
        console.print_line(made.problem)
        return False
    _draw([(made, 0)], made.lines, console)
    return True


def fetch_picture(path: str, client: Client, draw: Draw, cells: Cells, columns: int, lines: int) -> Picture:
    """Return a photo's picture that fits into a box of cells, from the daemon."""
    width, height = _thumbnail_side(columns * cells.width), _thumbnail_side(lines * cells.height)
    try:
        got = client.thumbnail(path, width=width, height=height, format=draw.format)
    except DaemonUnreachableError:
        raise
    except PhsearchError as problem:
        return Picture(b"", columns, 1, table.cell(str(problem)))
    wide = min(math.ceil(got.width / cells.width), columns)
    high = min(math.ceil(got.height / cells.height), lines)
    return Picture(draw.encode(got.data, wide, high), wide, high)


def _draw(made: Sequence[tuple[Picture, int]], height: int, console: Console, texts: Sequence[str] = ()) -> None:
    """Draw pictures at their columns, and texts beside the first one. Leave the cursor below them all."""
    console.write(b"\n" * height + f"\x1b[{height}A".encode())
    for each, column in made:
        console.write(b"\r" + (f"\x1b[{column}C".encode() if column else b""))
        if each.problem:
            console.write(
                b"\x1b7" + console.dim(table.keep_start(f"[{each.problem}]", each.columns)).encode() + b"\x1b8"
            )
        else:
            console.write(each.data)
    for text in texts:
        console.write(b"\r" + f"\x1b[{_LIST_TILE + _GAP}C".encode())
        console.write(text + "\n")
    # A terminal moves one line for "0 lines down".
    console.write(b"\r" + (f"\x1b[{height - len(texts)}B".encode() if height > len(texts) else b""))


def _rank_text(hit: Hit, *, shares: bool) -> str:
    fields = [field if isinstance(field, str) else field[0] for field in rank_fields(hit, shares=shares)]
    return "  ".join([*fields, (hit.taken_at or "")[:10], f"+{hit.more}" if hit.more else ""]).strip()


def _name(hit: Hit) -> str:
    return table.cell(hit.path.rpartition("/")[2])


def _fit_lines(lines: int, cells: Cells, below: int = 0) -> int:
    """Return `lines`, or fewer on a low terminal: lines `below` the picture and the cursor's line need room too."""
    return max(min(lines, cells.lines - below - 1), 1)


def _thumbnail_side(pixels: int) -> int:
    return max(_SHORTEST, min(_LONGEST, pixels))
