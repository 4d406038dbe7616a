"""Where pictures go: beside their lines, in a grid, or alone.

Room is made by printing empty lines first, so that a terminal that scrolls has scrolled before the first picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from phsearch.cli.render import table
from phsearch.cli.render.hits import ranking
from phsearch.errors import DaemonUnreachableError, PhsearchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.cli.render.images.detect import Cells
    from phsearch.cli.render.images.protocols import Draw
    from phsearch.cli.terminal import Console
    from phsearch.client import Client

_TILE = 24
_TILE_LINES = 9
_GAP = 2
_LISTED, _LISTED_LINES = 10, 4
_CAPTIONS = 2  # lines of text that belong to a picture
_SHORTEST, _LONGEST = 16, 1024  # of a thumbnail's sides, in pixels


class Picture(NamedTuple):
    """What is written where, with the columns and lines it covers; a sentence where there is no picture."""

    data: bytes
    columns: int
    lines: int
    problem: str = ""


def grid(
    hits: Sequence[dict[str, Any]], client: Client, draw: Draw, cells: Cells, screen: Console, *, shares: bool = False
) -> None:
    """Print pictures in rows as wide as the terminal, each with a line of how well it fits, and one of its name."""
    across = max((cells.columns + _GAP) // (_TILE + _GAP), 1)
    tile, lines = min(_TILE, cells.columns), _bounded(_TILE_LINES, cells, _CAPTIONS)
    for start in range(0, len(hits), across):
        row = hits[start : start + across]
        made = [picture(hit["path"], client, draw, cells, tile, lines) for hit in row]
        height = max(each.lines for each in made)
        _place([(each, place * (tile + _GAP)) for place, each in enumerate(made)], height, screen)
        for caption in ([_fit(hit, shares=shares) for hit in row], [_name(hit) for hit in row]):
            cut = [table.padded(table.keep_start(text, tile), tile + _GAP) for text in caption]
            screen.write(screen.dim("".join(cut).rstrip()) + "\n")


def listed(
    hits: Sequence[dict[str, Any]], client: Client, draw: Draw, cells: Cells, screen: Console, *, shares: bool = False
) -> None:
    """Print a picture beside each hit's line."""
    lines = max(_bounded(_LISTED_LINES, cells), _CAPTIONS)
    for hit in hits:
        made = picture(hit["path"], client, draw, cells, _LISTED, lines)
        indent = " " * (_LISTED + _GAP)
        room = max(cells.columns - len(indent), 1)
        _place(
            [(made, 0)],
            lines,
            screen,
            [
                screen.dim(table.keep_start(_fit(hit, shares=shares), room)),
                table.path_cell(hit["path"], room, screen),
            ],
        )


def alone(path: str, client: Client, draw: Draw, cells: Cells, screen: Console) -> bool:
    """Print one picture as large as it fits, or why there is none; tells whether there is one."""
    made = picture(path, client, draw, cells, cells.columns, max(cells.lines - 1, 1))
    if made.problem:
        screen.print_line(made.problem)
        return False
    _place([(made, 0)], made.lines, screen)
    return True


def picture(path: str, client: Client, draw: Draw, cells: Cells, columns: int, lines: int) -> Picture:
    """Ask for a photo that fits into a box of cells."""
    wanted = {"width": _within(columns * cells.width), "height": _within(lines * cells.height), "format": draw.format}
    try:
        got = client.call("library.thumbnail", path=path, **wanted)
    except DaemonUnreachableError:
        raise
    except PhsearchError as problem:
        return Picture(b"", columns, 1, table.cell(str(problem)))
    wide = min(math.ceil(got["width"] / cells.width), columns)
    high = min(math.ceil(got["height"] / cells.height), lines)
    return Picture(draw.put(got["data"], wide, high), wide, high)


def _place(made: Sequence[tuple[Picture, int]], height: int, screen: Console, texts: Sequence[str] = ()) -> None:
    """Draw pictures at their columns, and texts to the right of the first one, and go on below them all."""
    screen.write(b"\n" * height + f"\x1b[{height}A".encode())
    for each, column in made:
        screen.write(b"\r" + (f"\x1b[{column}C".encode() if column else b""))
        if each.problem:
            screen.write(b"\x1b7" + screen.dim(table.keep_start(f"[{each.problem}]", each.columns)).encode() + b"\x1b8")
        else:
            screen.write(each.data)
    for text in texts:
        screen.write(b"\r" + f"\x1b[{_LISTED + _GAP}C".encode())
        screen.write(text + "\n")
    # A terminal takes "0 lines down" for one.
    screen.write(b"\r" + (f"\x1b[{height - len(texts)}B".encode() if height > len(texts) else b""))


def _fit(hit: dict[str, Any], *, shares: bool) -> str:
    said = [field if isinstance(field, str) else field[0] for field in ranking(hit, shares=shares)]
    more = hit.get("more")
    return "  ".join([*said, (hit["taken_at"] or "")[:10], f"+{more}" if more else ""]).strip()


def _name(hit: dict[str, Any]) -> str:
    return table.cell(hit["path"].rpartition("/")[2])


def _bounded(lines: int, cells: Cells, below: int = 0) -> int:
    """Give `lines`, or what a low terminal has for a picture, what is `below` it, and the line of the cursor."""
    return max(min(lines, cells.lines - below - 1), 1)


def _within(pixels: int) -> int:
    return max(_SHORTEST, min(_LONGEST, pixels))
