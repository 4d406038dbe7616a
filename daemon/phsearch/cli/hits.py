r"""Hits as they are printed: a table for people, and forms for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phsearch.cli import output
from phsearch.cli.terminal import DIM, GREEN, YELLOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.cli.output import Field
    from phsearch.cli.terminal import Screen

TABLE, JSON, NULL = "table", "json", "null"
_COLOURS = {"strong": GREEN, "likely": YELLOW}
_DATE = 10


def shown(
    hits: list[dict[str, Any]], form: str | Callable[[dict[str, Any]], bytes], screen: Screen, *, shares: bool = False
) -> str | bytes:
    """Give hits in a form, or as a function of each makes them; a table becomes TSV where nobody looks.

    With `shares` a table has each hit's part of the model's softmax in it.
    """
    if callable(form):
        return b"".join(map(form, hits))
    if form == JSON:
        return b"".join(map(output.json_line, hits))
    if form == NULL:
        if screen.terminal:
            return "".join(f"{output.cell(hit['path'])}\0" for hit in hits)
        return b"".join(output.null(hit["path"]) for hit in hits)
    if not screen.terminal:
        return b"".join(_line(hit, shares=shares) for hit in hits)
    return output.table([(_fields(hit, shares=shares), hit["path"]) for hit in hits], screen)


def _line(hit: dict[str, Any], *, shares: bool) -> bytes:
    number = hit["share"] if shares and hit.get("share") is not None else hit["score"]
    return output.tsv((f"{number:.4f}", hit["taken_at"] or "", hit["path"]))


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
