"""`pause` and `resume`: stop indexing and go on with it. Searching always goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from phsearch.cli import exit_status
from phsearch.cli.completion.suggestions import one_of
from phsearch.cli.names import PROGRAM
from phsearch.cli.options import NoArgumentsCommand, json_option, with_client
from phsearch.cli.render import table
from phsearch.cli.terminal import Console
from phsearch.client import parse_answer
from phsearch.wire.methods import MAX_PAUSE
from phsearch.wire.results.daemon import PaceChange

if TYPE_CHECKING:
    from phsearch.client import Client

_UNITS = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+(?:d|h|min|m|s))+", re.IGNORECASE)
_PART = re.compile(r"(\d+)(d|h|min|m|s)", re.IGNORECASE)


def parse_duration(text: str) -> int | None:
    """Return the seconds of a duration such as "30m", "2h" or "1h 30min"; None for other text, and above a year."""
    whole = "".join(text.split())
    # The length first: int() takes long for a million digits.
    if len(whole) > 40 or not _DURATION.fullmatch(whole):  # noqa: PLR2004 - longer than any duration
        return None
    total = sum(int(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(whole))
    return total if 1 <= total <= MAX_PAUSE else None


@click.command(short_help="Stop indexing, for a while or until resume. Searching goes on.")
@click.argument("duration", nargs=-1, shell_complete=one_of(("30m", "1h", "2h", "8h", "1d")))
@json_option
@with_client
def pause(client: Client, duration: tuple[str, ...], *, as_json: bool) -> int:
    """Stop reading and embedding photos, for a DURATION such as 30m, 2h or 1h30m, or until `resume`.

    Searching goes on, and changes are still noticed. The current batch is finished, then the memory and the GPU are
    free. A pause outlives a restart of the daemon.
    """
    words = " ".join(duration)
    length = parse_duration(words) if duration else None
    if duration and length is None:
        hint = f"say 30m, 2h or 1h30m, a year at most, or nothing to pause until `{PROGRAM} resume`"
        way_out = f"To search for these words: {PROGRAM} search pause {words}"
        raise click.UsageError(f'"{words}" is no duration: {hint}. {way_out}')
    answer = client.call("library.pause", **({} if length is None else {"seconds": length}))
    _print_change(answer, as_json=as_json)
    return exit_status.DONE


@click.command(cls=NoArgumentsCommand, short_help="Go on indexing after a pause.")
@click.option("--force", is_flag=True, help="Also ignore battery and pressure, as long as they are as now.")
@json_option
@with_client
def resume(client: Client, *, force: bool, as_json: bool) -> int:
    """End the pause. Battery, or pressure on memory or disks, may still hold indexing back: --force overrides that.

    A reason that --force overrides counts again after it has ended once, for example after the charger was plugged in.
    """
    answer = client.call("library.resume", **({"force": True} if force else {}))
    change = _print_change(answer, as_json=as_json)
    if not as_json and not force and change.pace.state != "full":
        Console.stderr().print_line(f"`{PROGRAM} resume --force` overrides that", dim=True)
    return exit_status.DONE


def _print_change(answer: Any, *, as_json: bool) -> PaceChange:
    change = parse_answer(PaceChange, answer)
    Console.stdout().write(table.json_line(answer) if as_json else f"indexing is {table.cell(change.pace.text)}\n")
    if not change.kept:
        notes = Console.stderr()
        notes.print_line("this could not be saved, and does not outlive a restart of the daemon: its log says why")
    return change
