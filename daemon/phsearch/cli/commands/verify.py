"""`verify`: check that the index is right, and say so by the exit status too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.options import NoArgumentsCommand, json_option, option_value, with_client
from phsearch.cli.render import table
from phsearch.cli.render.table import plural
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.wire.results.library import Verification

if TYPE_CHECKING:
    from phsearch.client import Client

_ALL = 2**53  # more photos than there can be
_TIMEOUT = 24 * 3600.0
"""Seconds to wait without a --timeout: every photo of a large library is read."""


def _parse_sample(ctx: click.Context, param: click.Parameter, value: str) -> int:
    if value == "all":
        return _ALL
    if value.isdecimal() and int(value) <= _ALL:
        return int(value)
    raise click.BadParameter(f'{value} is neither a number of photos nor "all".', ctx, param)


@click.command(cls=NoArgumentsCommand, short_help="Check that the index is right.")
@click.option(
    "--sample",
    callback=_parse_sample,
    default="200",
    metavar="N|all",
    help="How many photos, chosen at random, to read and embed again (200).",
)
@json_option
@with_client
def verify(client: Client, sample: int, *, as_json: bool) -> int:
    """Compare the index on disk with the memory that is searched and with the files, and embed a random sample again.

    Nothing is changed. It may take minutes. Searches and indexing go on. The exit status is 1 if anything is wrong.
    """
    console, notes = Console.stdout(), Console.stderr()
    if option_value("timeout") is None:
        client.timeout = _TIMEOUT
    if notes.terminal and not as_json:
        notes.print_line("comparing the index with the files; this may take minutes", dim=True)
    answer = client.call("library.verify", sample=sample)
    found = parse_answer(Verification, answer)
    console.write(table.json_line(answer) if as_json else _format_report(found, console))
    return exit_status.DONE if found.ok else exit_status.FAILED


def _format_report(found: Verification, console: Console) -> bytes:
    lines = [f"{plural(found.rows, 'row')}, {plural(found.checked, 'photo')} compared with the files"]
    if found.sampled:
        lines.append(f"{plural(found.sampled, 'photo')} read again, {_cosine_text(found)}")
    if found.not_checked:
        why = f"indexing is {table.cell(found.held)}" if found.held else "offline, or not to be read now"
        lines.append(f"{plural(found.not_checked, 'photo')} not checked: {why}")
    if found.ok:
        lines.append("the index is right")
        return _join_lines(lines)
    number = found.mismatched
    lines.append(console.bold("1 mismatch" if number == 1 else f"{number:,} mismatches"))
    kinds = {row.kind for row in found.mismatches}
    lines += [f"  {remedy}" for about, remedy in _REMEDIES if kinds & about]
    return _format_mismatches(found, console) + _join_lines(lines)


_REMEDIES = (
    ({"file missing", "other name", "file changed"}, "`phsearch-client rescan` takes in files that changed unnoticed"),
    ({"other bytes"}, "compare a file of other bytes with your backup; if it is as it should be, `touch` it"),
    ({"unreadable"}, "what is said of an unreadable photo is in the way: the permissions, the disk or the memory"),
    (
        {"not stored", "left over", "stored twice", "other record", "other vector", "not ranked", "wrong vector"},
        "`phsearchd --rebuild` makes wrong rows and vectors again from the photos",
    ),
)


def _join_lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _cosine_text(found: Verification) -> str:
    lowest = found.lowest_cosine
    return "none of them could be compared" if lowest is None else f"lowest cosine {lowest:.4f}"


def _format_mismatches(found: Verification, console: Console) -> bytes:
    rows = found.mismatches
    if not console.terminal:
        return b"".join(table.tsv((row.kind, row.detail, row.path)) for row in rows)
    text = table.table([((row.kind, row.detail), row.path) for row in rows], console, copyable=True)
    left_out = found.mismatched - len(rows)
    return (text + (f"and {left_out:,} more\n" if left_out else "")).encode()
