r"""Hits as they are printed: a table for people, and forms for programs."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from phsearch.cli.render import table
from phsearch.cli.terminal import DIM, GREEN, YELLOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.cli.render.table import Field
    from phsearch.cli.terminal import Console

# What --format makes of a hit: "{path}\t{score}" and the like.
#
# Fields are members of a hit as --json shows them, and nothing else can be reached from a format. A name is written as
# in TSV, with a tab in it as \t, so that no file can forge a line; -0 and --json have its exact bytes.


FIELDS = (
    "path",
    "score",
    "relevance",
    "band",
    "share",
    "more",
    "root",
    "taken_at",
    "width",
    "height",
    "format",
    "camera",
    "indexed_at",
    "offline",
    "last_seen",
    "name",
    "folder",
)
"""`name` and `folder` are the two parts of the path."""

_PARTS = re.compile(r"\{\{|\}\}|\{(\w*)\}|\\([tn0\\])|([{}])")
_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}


def compile_template(template: str) -> Callable[[dict[str, Any]], bytes]:
    """Give what writes a hit, with a newline after it unless the format ends in one or in a null.

    Raises ValueError with a sentence.
    """
    parts: list[tuple[str, str]] = []
    end = 0
    for found in _PARTS.finditer(template):
        parts.append((template[end : found.start()], ""))
        end = found.end()
        field, escape, brace = found.groups()
        if brace:
            raise ValueError(f'there is a "{brace}" without its other half: to print one write it twice')
        if field is not None:
            parts.append(("", _known(field)))
        else:
            parts.append((_ESCAPES[escape] if escape else found.group()[0], ""))
    parts.append((template[end:], ""))
    closing = "" if "".join(text for text, _ in parts[-2:]).endswith(("\n", "\0")) and not parts[-1][1] else "\n"

    def write(hit: dict[str, Any]) -> bytes:
        return table.name_bytes(
            "".join(text or (_value(hit, field) if field else "") for text, field in parts) + closing
        )

    return write


def _known(field: str) -> str:
    if field in FIELDS:
        return field
    near = difflib.get_close_matches(field, FIELDS, 1)
    remedy = f'did you mean "{{{near[0]}}}"?' if near else f"there are {', '.join(FIELDS)}"
    raise ValueError(f'a hit has no field "{field}": {remedy}')


def _value(hit: dict[str, Any], field: str) -> str:
    folder, _, name = hit["path"].rpartition("/")
    value = {"name": name, "folder": folder or "/"}.get(field, hit.get(field))
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return table.escaped(str(value))


TABLE, JSON, NULL = "table", "json", "null"
_COLOURS = {"strong": GREEN, "likely": YELLOW}
_DATE = 10


def hit_printer(
    hits: list[dict[str, Any]], form: str | Callable[[dict[str, Any]], bytes], screen: Console, *, shares: bool = False
) -> str | bytes:
    """Give hits in a form, or as a function of each makes them; a table becomes TSV where nobody looks.

    With `shares` a table has each hit's part of the model's softmax in it.
    """
    if callable(form):
        return b"".join(map(form, hits))
    if form == JSON:
        return b"".join(map(table.json_line, hits))
    if form == NULL:
        if screen.terminal:
            return "".join(f"{table.cell(hit['path'])}\0" for hit in hits)
        return b"".join(table.null(hit["path"]) for hit in hits)
    if not screen.terminal:
        return b"".join(_line(hit, shares=shares) for hit in hits)
    return table.table([(_fields(hit, shares=shares), hit["path"]) for hit in hits], screen)


def _line(hit: dict[str, Any], *, shares: bool) -> bytes:
    number = hit["share"] if shares and hit.get("share") is not None else hit["score"]
    return table.tsv((f"{number:.4f}", hit["taken_at"] or "", hit["path"]))


def _fields(hit: dict[str, Any], *, shares: bool) -> tuple[Field, ...]:
    # A date is the first ten characters of ISO 8601; the time of day is in --json for who wants it.
    date, more = (hit["taken_at"] or "")[:_DATE], hit.get("more")
    rest = (date, f"+{more}" if more else "", "offline" if hit.get("offline") else "")
    return *ranking(hit, shares=shares), *rest


def ranking(hit: dict[str, Any], *, shares: bool = False) -> tuple[Field, ...]:
    """Give what is said of how well a hit fits; nothing where nothing ranks."""
    band, relevance, share = hit.get("band"), hit.get("relevance"), hit.get("share")
    if band is None and share is None and "share" in hit:
        return ()
    colour = _COLOURS.get(band or "", DIM)
    number = f"{100 * share:.1f}%" if shares and share is not None else f"{hit['score']:.3f}"
    if band is None or relevance is None:
        return (number,)
    return (band if band != "none" else "-", colour), (f"{100 * relevance:.0f}%", colour), number
