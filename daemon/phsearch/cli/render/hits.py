r"""Hits as they are printed: a table for people, and forms for programs.

A form may be a template of --format, such as "{path}\t{score}". Its fields are the members of a hit as --json has them;
nothing else can be reached from it. A name is written as in TSV, with a tab in it as \t, so that no file can forge a
line; on a terminal everything else in it that could drive the terminal is escaped, too. The exact bytes of a name are
in -0 and --json.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from phsearch.cli.render import table
from phsearch.cli.terminal import DIM, GREEN, YELLOW
from phsearch.wire.results.search import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.cli.render.table import Field
    from phsearch.cli.terminal import Console

    Template = Callable[[Hit, bool], str]
    Form = str | Template
    """TABLE, JSON, NULL or a compiled template."""

TABLE, JSON, NULL = "table", "json", "null"

_PATH_FIELDS = ("name", "folder")
FIELDS = (*Hit.__annotations__, *_PATH_FIELDS)
"""The fields of a template. `name` and `folder` are the two parts of the path."""

_PARTS = re.compile(r"\{\{|\}\}|\{(\w*)\}|\\([tn0\\])|([{}])")
_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}
_COLOURS = {"strong": GREEN, "likely": YELLOW}
_DATE = 10


def format_hits(
    hits: Sequence[Hit],
    form: Form,
    console: Console,
    *,
    shares: bool = False,
    headings: bool = True,
) -> str | bytes:
    """Return hits as a table or NULL, or as a template writes each. For a pipe a table becomes TSV.

    With `shares` a table has each hit's part of the model's softmax. Without `headings` it has only lines of hits.
    """
    if callable(form):
        text = "".join(form(hit, console.terminal) for hit in hits)
        return text if console.terminal else table.name_bytes(text)
    if form == NULL:
        if console.terminal:
            return "".join(f"{table.cell(hit.path)}\0" for hit in hits)
        return b"".join(table.null_terminated(hit.path) for hit in hits)
    if not console.terminal:
        return b"".join(_tsv_line(hit, shares=shares) for hit in hits)
    rows = [(_table_fields(hit, shares=shares), hit.path) for hit in hits]
    titles = _headings(len(rows[0][0]), shares=shares) if headings and rows else ()
    return table.table(rows, console, titles, copyable=True)


def rank_fields(hit: Hit, *, shares: bool = False) -> tuple[Field, ...]:
    """Return the fields that show how well a hit fits; none where nothing is ranked."""
    if hit.band is None and hit.share is None and not hit.score:
        return ()
    colour = _COLOURS.get(hit.band or "", DIM)
    number = f"{100 * hit.share:.1f}%" if shares and hit.share is not None else f"{hit.score:.3f}"
    if hit.band is None or hit.relevance is None:
        return (number,)
    return (hit.band if hit.band != "none" else "-", colour), (f"{100 * hit.relevance:.0f}%", colour), number


def _headings(fields: int, *, shares: bool) -> tuple[str, ...]:
    """Return the headings of so many fields, and of the path."""
    number = "SHARE" if shares else "COSINE"
    return ("MATCH", "SURE", number, "TAKEN", "MORE", "STATE", "PHOTO")[-fields - 1 :]


def _table_fields(hit: Hit, *, shares: bool) -> tuple[Field, ...]:
    # A date is the first ten characters of ISO 8601; the time of day is in --json.
    date = (hit.taken_at or "")[:_DATE]
    rest = (date, f"+{hit.more}" if hit.more else "", "offline" if hit.offline else "")
    return *rank_fields(hit, shares=shares), *rest


def _tsv_line(hit: Hit, *, shares: bool) -> bytes:
    number = hit.share if shares and hit.share is not None else hit.score
    return table.tsv((f"{number:.4f}", hit.taken_at or "", hit.path))


def compile_template(template: str) -> Template:
    """Return a function that writes a hit by a template, and a newline unless the template ends in one or in a null.

    Its second argument is whether that goes to a terminal.

    Raise ValueError with a sentence.
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
            parts.append(("", _checked_field(field)))
        else:
            parts.append((_ESCAPES[escape] if escape else found.group()[0], ""))
    parts.append((template[end:], ""))
    closing = "" if "".join(text for text, _ in parts[-2:]).endswith(("\n", "\0")) and not parts[-1][1] else "\n"

    def write(hit: Hit, terminal: bool) -> str:  # noqa: FBT001 - a plain function for whoever prints hits
        texts = (text or (_field_text(hit, field, terminal=terminal) if field else "") for text, field in parts)
        return "".join(texts) + closing

    return write


def _checked_field(field: str) -> str:
    if field in FIELDS:
        return field
    near = difflib.get_close_matches(field, FIELDS, 1)
    remedy = f'did you mean "{{{near[0]}}}"?' if near else f"there are {', '.join(FIELDS)}"
    raise ValueError(f'a hit has no field "{field}": {remedy}')


def _field_text(hit: Hit, field: str, *, terminal: bool) -> str:
    folder, _, name = hit.path.rpartition("/")
    value = {"name": name, "folder": folder or "/"}[field] if field in _PATH_FIELDS else getattr(hit, field)
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            text = table.escaped(str(value))
            return table.cell(text) if terminal else text
