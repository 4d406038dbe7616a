"""`dupes`: exact and near duplicates, shown for review and never deleted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.options import with_client
from phsearch.cli.program import PathName
from phsearch.cli.render import table
from phsearch.cli.render.table import format_bytes, plural
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.paths import absolute_path
from phsearch.wire.results.library import DuplicateGroup, Duplicates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.client import Client
    from phsearch.wire.results.library import DuplicatePhoto

_PAGE = 500
_SECONDS = 19  # characters of ISO 8601 up to the seconds


@click.command(short_help="List exact and near duplicates, for review.")
@click.argument("folder", required=False, type=PathName())
@click.option("--exact", "kind", flag_value="exact", help="Only photos with the same bytes.")
@click.option("--near", "kind", flag_value="near", help="Only bursts, edits, and a RAW with its JPEG.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per group.")
@click.option("-0", "--null", is_flag=True, help="Print the paths of all but the first of each group, for xargs -0.")
@with_client
def dupes(client: Client, folder: str | None, kind: str | None, *, as_json: bool, null: bool) -> int:
    """List exact and near duplicates, below FOLDER or everywhere. Nothing is ever deleted.

    The first photo of each group is the one to keep: it has the most pixels or bytes, or is the original of the
    copies, by name and age. Further hard links to a file are left out, since they take no room. A pipe gets number,
    kind, size and path.
    """
    if as_json and null:
        raise click.UsageError("--json and --null exclude each other: choose one.")
    console, notes = Console.stdout(), Console.stderr()
    where = {"path": absolute_path(folder, os.environ)} if folder else {}
    count, spare, more = 0, 0, 0
    groups = filter(None, map(_without_hard_links, _fetch_groups(client, kind or "all", where)))
    for count, (group, answer) in enumerate(groups, 1):
        spare += sum(photo.size for photo in group.photos if photo.copy)
        more += group.more
        console.write(table.json_line(answer) if as_json else _format_group(count, group, console, null=null))
    if more:
        notes.print_line(f"{plural(more, 'photo')} of large groups not listed: ask again when some are gone")
    if notes.terminal:
        notes.print_line(
            f"{plural(count, 'group')}; exact copies take {format_bytes(spare)}; nothing was changed", dim=True
        )
    return exit_status.DONE


def _fetch_groups(client: Client, kind: str, where: dict[str, str]) -> Iterator[tuple[DuplicateGroup, Any]]:
    """Yield each group, and what the answer has of it."""
    offset = 0
    while True:
        answer = client.call("library.dupes", kind=kind, limit=_PAGE, offset=offset, **where)
        found = parse_answer(Duplicates, answer)
        yield from zip(found.groups, answer["groups"], strict=True)
        offset += len(found.groups)
        if not found.groups or offset >= found.total:
            return


def _without_hard_links(found: tuple[DuplicateGroup, Any]) -> tuple[DuplicateGroup, Any] | None:
    """Return a group with one path of each file; None where that is the only one."""
    group, answer = found
    files: dict[object, int] = {}
    for place, photo in enumerate(group.photos):
        files.setdefault(_file_id(photo.path), place)
    places = files.values()
    if len(places) == len(group.photos):
        return found
    if len(places) + group.more == 1:
        return None
    photos = tuple(group.photos[place] for place in places)
    shown = answer | {"photos": [answer["photos"][place] for place in places]}
    return DuplicateGroup(kind=group.kind, photos=photos, more=group.more), shown


def _file_id(path: str) -> object:
    """Return the same for two paths of one file."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return path
    return status.st_dev, status.st_ino


def _format_group(number: int, group: DuplicateGroup, console: Console, *, null: bool) -> str | bytes:
    if null:
        names = [photo.path for photo in group.photos[1:]]
        return (
            "".join(f"{table.cell(name)}\0" for name in names)
            if console.terminal
            else b"".join(map(table.null_terminated, names))
        )
    if not console.terminal:
        lines = (table.tsv((str(number), group.kind, str(photo.size), photo.path)) for photo in group.photos)
        return b"".join(lines)
    rows = [(_table_fields(group.kind, place, photo), photo.path) for place, photo in enumerate(group.photos)]
    return table.table(rows, console, copyable=True) + "\n"


def _table_fields(kind: str, place: int, photo: DuplicatePhoto) -> tuple[str, ...]:
    size = f"{photo.width}x{photo.height}"
    mark = kind if place == 0 else "copy" if photo.copy else ""
    return mark, size, format_bytes(photo.size), (photo.taken_at or "")[:_SECONDS]
