r"""The forms an answer takes: a table for people, TSV for pipes, JSON lines and null-terminated names for programs.

A file name is somebody else's data. In a table whatever could drive the terminal is escaped; in TSV a tab, newline,
carriage return or backslash is written as \t, \n, \r or \\ and every other byte as it is; after -0 every byte is exact,
unless it goes to a terminal.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import unicodedata
from typing import TYPE_CHECKING, Any

from phsearch.cli.terminal import DIM
from phsearch.text import file_uri, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phsearch.cli.terminal import Console

    Field = str | tuple[str, str]
    """A text, or a text and its style."""

# Numbers as people read them.


_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_HUNDRED, _THOUSAND = 100, 1000


def plural(count: int, thing: str) -> str:
    """Say how many: "1 photo", "12,345 photos"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def format_bytes(size: int) -> str:
    """Say how many bytes: "812 B", "3.4 MB"."""
    value, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < _THOUSAND:
            break
        value, unit = value / _THOUSAND, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= _HUNDRED else f"{value:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """Say how long, in at most two units: "8 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"."""
    whole = max(round(seconds), 0)
    for size, big, small, name in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {big} {rest} {name}" if rest else f"{whole // size} {big}"
    return f"{whole} s"


ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def name_bytes(path: str) -> bytes:
    """Give a name's own bytes. The wire is UTF-8 with surrogateescape, whatever this process's locale is."""
    return path.encode("utf-8", "surrogateescape")


def null(path: str) -> bytes:
    """Give a name for `xargs -0`."""
    return name_bytes(path) + b"\0"


def tsv(fields: Iterable[str]) -> bytes:
    """Give one line of TSV."""
    return name_bytes("\t".join(map(escaped, fields))) + b"\n"


def escaped(text: str) -> str:
    r"""Give a field of TSV: what would end it is written as \t, \n, \r or \\."""
    return text.translate(_ESCAPES)


def json_line(value: Any) -> bytes:
    """Give one line of JSON; what a terminal could obey or UTF-8 cannot carry is escaped, as JSON allows."""
    text = json.dumps(value, ensure_ascii=False)
    return (text if text.isprintable() else json.dumps(value)).encode() + b"\n"


def cell(text: str) -> str:
    """Give text safe for a terminal and on one line."""
    return one_line(text)


def width(text: str) -> int:
    """Give the columns a terminal needs for the text: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def keep_end(text: str, room: int) -> str:
    """Shorten to `room` columns from the left: the end of a path says most."""
    return text if width(text) <= room else ELLIPSIS + _fitting(text[::-1], room - 1)[::-1]


def keep_start(text: str, room: int) -> str:
    """Shorten to `room` columns from the right."""
    return text if width(text) <= room else _fitting(text, room - 1) + ELLIPSIS


def padded(text: str, room: int) -> str:
    """Fill up with spaces to `room` columns."""
    return text + " " * (room - width(text))


def link(path: str, text: str) -> str:
    """Make text a hyperlink to a file (OSC 8), with the host's name: over ssh a terminal must not open its own file."""
    return f"\x1b]8;;{file_uri(path, os.uname().nodename)}\x1b\\{text}\x1b]8;;\x1b\\"


def path_cell(path: str, room: int, screen: Console) -> str:
    """Give a path that fits into `room` columns and, where the terminal can, opens on a click."""
    text = keep_end(cell(path), room)
    return link(path, text) if screen.links else text


def table(rows: Sequence[tuple[Sequence[Field], str]], screen: Console) -> str:
    """Lay out rows of short texts and a path: columns in line, and no line wider than the screen.

    A text may come with the style it is to have; others are dim. Where there is too little room the texts before the
    path keep to half of it, the widest giving way first.
    """
    columns = zip(*([cell(_text(field)) for field in fields] for fields, _ in rows), strict=True)
    cells = list(zip(*filter(any, columns), strict=True)) or [()] * len(rows)  # a column nobody filled takes no room
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    gaps = 2 * len(widths)
    spare = screen.width - max((width(cell(path)) for _, path in rows), default=0)
    while sum(widths) + gaps > max(spare, screen.width // 2) and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    room = max(screen.width - sum(widths) - gaps, 1)
    lines = []
    filled = [any(_text(fields[column]) for fields, _ in rows) for column in range(len(rows[0][0]) if rows else 0)]
    for fields, (given, path) in zip(cells, rows, strict=True):
        styles = [
            DIM if isinstance(field, str) else field[1] for field, kept in zip(given, filled, strict=True) if kept
        ]
        shown = [padded(keep_start(field, size), size) + "  " for field, size in zip(fields, widths, strict=True)]
        lines.append(_joined(shown, styles, screen) + path_cell(path, room, screen) + "\n")
    return "".join(lines)


def _text(field: Field) -> str:
    return field if isinstance(field, str) else field[0]


def _joined(texts: Sequence[str], styles: Sequence[str], screen: Console) -> str:
    """Join cells, with one change of style where neighbours have the same."""
    runs = itertools.groupby(zip(styles, texts, strict=True), key=operator.itemgetter(0))
    return "".join(screen.styled_as("".join(text for _, text in run), style) for style, run in runs)


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fitting(chars: str, room: int) -> str:
    used = 0
    for count, char in enumerate(chars):
        used += _columns(char)
        if used > room:
            return chars[:count]
    return chars
