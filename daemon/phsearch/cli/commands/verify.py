"""`verify`: whether the index is right, as a verdict and an exit status."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.options import NoArgumentsCommand, option_value, with_client
from phsearch.cli.render import table as output
from phsearch.cli.render.table import plural
from phsearch.cli.terminal import Console

if TYPE_CHECKING:
    from phsearch.client import Client

_ALL = 2**53  # more photos than there can be
_PATIENCE = 24 * 3600.0
"""Seconds to wait where nobody gave a --timeout: every photo of a large library is read."""


def _sample(ctx: click.Context, param: click.Parameter, value: str) -> int:
    if value == "all":
        return _ALL
    if value.isdecimal() and int(value) <= _ALL:
        return int(value)
    raise click.BadParameter(f'{value} is neither a number of photos nor "all".', ctx, param)


@click.command(cls=NoArgumentsCommand, short_help="Check that the index is right.")
@click.option(
    "--sample",
    callback=_sample,
    default="200",
    metavar="N|all",
    help="How many photos, chosen at random, to read and embed again (200).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_client
def verify(client: Client, sample: int, *, as_json: bool) -> int:
    """Compare the index on disk with what is searched and with the files, and embed a random sample again.

    Nothing is changed. It may take minutes; searches and indexing go on. The exit status is 1 if anything is wrong.
    """
    screen, notes = Console.of(sys.stdout, os.environ), Console.of(sys.stderr, os.environ)
    if option_value("timeout") is None:
        client.timeout = _PATIENCE
    if notes.terminal and not as_json:
        notes.print_line("comparing the index with the files; this may take minutes", dim=True)
    found = client.call("library.verify", sample=sample)
    screen.write(output.json_line(found) if as_json else _verdict(found, screen))
    return exit_status.DONE if found["ok"] else exit_status.FAILED


def _verdict(found: dict[str, Any], screen: Console) -> bytes:
    said = [f"{plural(found['rows'], 'row')}, {plural(found['checked'], 'photo')} compared with the files"]
    if found["sampled"]:
        said.append(f"{plural(found['sampled'], 'photo')} read again, {_cosine(found)}")
    if found["not_checked"]:
        why = f"indexing is {output.cell(held)}" if (held := found.get("held")) else "offline, or not to be read now"
        said.append(f"{plural(found['not_checked'], 'photo')} not checked: {why}")
    if found["ok"]:
        said.append("the index is right")
        return _lines(said)
    number = found["mismatched"]
    said.append(screen.bold("1 mismatch" if number == 1 else f"{number:,} mismatches"))
    kinds = {row["kind"] for row in found["mismatches"]}
    said += [f"  {remedy}" for about, remedy in _REMEDIES if kinds & about]
    return _listed(found, screen) + _lines(said)


_REMEDIES = (
    ({"file missing", "file changed"}, "`phsearch-client rescan` takes in files that changed unnoticed"),
    ({"other bytes", "unreadable"}, "compare a file whose bytes changed by themselves with your backup"),
    (
        {"not stored", "left over", "stored twice", "other record", "other vector", "not ranked", "wrong vector"},
        "`phsearchd --rebuild` makes wrong rows and vectors anew from the photos",
    ),
)


def _lines(said: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in said).encode()


def _cosine(found: dict[str, Any]) -> str:
    lowest = found["lowest_cosine"]
    return "none of them could be compared" if lowest is None else f"lowest cosine {lowest:.4f}"


def _listed(found: dict[str, Any], screen: Console) -> bytes:
    rows = found["mismatches"]
    if not screen.terminal:
        return b"".join(output.tsv((row["kind"], row["detail"], row["path"])) for row in rows)
    table = output.table([((row["kind"], row["detail"]), row["path"]) for row in rows], screen)
    left_out = found["mismatched"] - len(rows)
    return (table + (f"and {left_out:,} more\n" if left_out else "")).encode()
