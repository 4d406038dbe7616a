r"""The forms of an answer: a table for people, TSV for pipes, JSON lines and null-terminated names for programs.

A file name may hold anything. In a table everything that could drive the terminal is escaped. In TSV a tab, newline,
carriage return or backslash is written as \t, \n, \r or \\, and every other byte as it is. With -0 every byte is exact,
unless it goes to a terminal. Counts, sizes and durations are written for people.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import unicodedata
from typing import TYPE_CHECKING, Any

from phsearch.cli.render.paths import short_path
from phsearch.cli.terminal import DIM
from phsearch.text import drives_terminal, file_uri, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phsearch.cli.terminal import Console

    Field = str | tuple[str, str]
    """A text, or a text and its style."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_HUNDRED, _THOUSAND = 100, 1000


def plural(count: int, thing: str) -> str:
    """Return a count with its noun: "1 photo", "12,345 photos"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def format_bytes(size: int) -> str:
    """Return a number of bytes with its unit: "812 B", "3.4 MB"."""
    value, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < _THOUSAND:
            break
        value, unit = value / _THOUSAND, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= _HUNDRED else f"{value:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """Return a duration in at most two units: "8 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"."""
    whole = max(round(seconds), 0)
    for size, big, small, name in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {big} {rest} {name}" if rest else f"{whole // size} {big}"
    return f"{whole} s"


ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_SOFT_HYPHEN = "\N{SOFT HYPHEN}"  # terminals show it
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def name_bytes(path: str) -> bytes:
    """Return the exact bytes of a name. The wire is UTF-8 with surrogateescape, in any locale of this process."""
    return path.encode("utf-8", "surrogateescape")


def null_terminated(path: str) -> bytes:
    """Return a name for `xargs -0`."""
    return name_bytes(path) + b"\0"


def tsv(fields: Iterable[str]) -> bytes:
    """Return one line of TSV."""
    return name_bytes("\t".join(map(escaped, fields))) + b"\n"


def escaped(text: str) -> str:
    r"""Return a field of TSV: a character that would end it is written as \t, \n, \r or \\."""
    return text.translate(_ESCAPES)


def json_line(value: Any) -> bytes:
    """Return one line of JSON. Control characters and undecodable bytes are escaped, as JSON allows."""
    text = json.dumps(value, ensure_ascii=False)
    return (json.dumps(value) if drives_terminal(text) else text).encode() + b"\n"


def cell(text: str) -> str:
    """Return text as one line that is safe for a terminal."""
    return one_line(text)


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def keep_end(text: str, room: int) -> str:
    """Return the end of a text, at most `room` columns: the end of a path says most."""
    return text if width(text) <= room else ELLIPSIS + _fit_columns(text[::-1], room - 1)[::-1]


def keep_start(text: str, room: int) -> str:
    """Return the start of a text, at most `room` columns."""
    return text if width(text) <= room else _fit_columns(text, room - 1) + ELLIPSIS


def padded(text: str, room: int) -> str:
    """Return a text with spaces up to `room` columns."""
    return text + " " * (room - width(text))


def link(path: str, text: str) -> str:
    """Return text as a hyperlink to a file (OSC 8).

    It holds the host's name: over ssh a terminal must not open a file of its own host.
    """
    return f"\x1b]8;;{file_uri(path, os.uname().nodename)}\x1b\\{text}\x1b]8;;\x1b\\"


def path_cell(path: str, room: int, console: Console) -> str:
    """Return a path that fits into `room` columns, short if possible. It is a link where the terminal has links."""
    text = short_path(path)
    text = text if width(text) <= room else keep_end(cell(path), room)
    return link(path, text) if console.links else text


def table(
    rows: Sequence[tuple[Sequence[Field], str]],
    console: Console,
    headings: Sequence[str] = (),
    *,
    copyable: bool = False,
) -> str:
    """Return rows of short texts and a path, with columns in line below their headings, if there are any.

    A text may come with its style; others are dim. Where there is too little room, the texts before the path get half
    of it, the widest column is cut first, and the path keeps its end. No line is wider than the console. But a
    `copyable` path is short and whole, as a word of a shell: the terminal wraps a line that is too long for it.
    """
    count = len(rows[0][0]) if rows else 0
    kept = [at for at in range(count) if any(_field_text(fields[at]) for fields, _ in rows)]  # an empty one has no room
    cells = [[cell(_field_text(fields[at])) for at in kept] for fields, _ in rows]
    titles = [headings[at] for at in kept] if headings and rows else []
    widths = [max(map(width, column)) for column in zip(*cells, *([titles] if titles else []), strict=True)]
    paths = [short_path(path) if copyable else cell(path) for _, path in rows]
    gaps = 2 * len(widths)
    spare, half = console.width - max(map(width, paths), default=0), console.width // 2
    limit = console.width if copyable and spare < half else max(spare, half)
    while sum(widths) + gaps > limit and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    room = max(console.width - sum(widths) - gaps, 1)
    lines = [_row(titles, widths, [DIM] * len(kept), console) + console.dim(headings[-1]) + "\n"] if titles else []
    for texts, shown, (fields, path) in zip(cells, paths, rows, strict=True):
        styles = [DIM if isinstance(fields[at], str) else fields[at][1] for at in kept]
        text = shown if copyable else keep_end(shown, room)
        lines.append(_row(texts, widths, styles, console) + (link(path, text) if console.links else text) + "\n")
    return "".join(lines)


def _row(texts: Sequence[str], widths: Sequence[int], styles: Sequence[str], console: Console) -> str:
    shown = [padded(keep_start(text, size), size) + "  " for text, size in zip(texts, widths, strict=True)]
    return _joined(shown, styles, console)


def _field_text(field: Field) -> str:
    return field if isinstance(field, str) else field[0]


def _joined(texts: Sequence[str], styles: Sequence[str], console: Console) -> str:
    """Return the cells joined. Neighbours of the same style get one escape sequence."""
    runs = itertools.groupby(zip(styles, texts, strict=True), key=operator.itemgetter(0))
    return "".join(console.styled_as("".join(text for _, text in run), style) for style, run in runs)


def _is_inner_jamo(char: str) -> bool:
    """Whether it is a vowel or an end of a Korean syllable that is written in parts, as macOS names files."""
    return "\u1160" <= char <= "\u11ff"


def _columns(char: str) -> int:
    if (unicodedata.category(char) in ("Mn", "Me", "Cf") and char != _SOFT_HYPHEN) or _is_inner_jamo(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fit_columns(chars: str, room: int) -> str:
    used = 0
    for count, char in enumerate(chars):
        used += _columns(char)
        if used > room:
            return chars[:count]
    return chars
