"""`doctor`: what is well, what is not, and what to do about it."""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.options import NoArgumentsCommand, option_value, with_client
from phsearch.cli.render import table
from phsearch.cli.terminal import Console

if TYPE_CHECKING:
    from phsearch.client import Client
    from phsearch.domain.doctor import Check

_PATIENCE = 5.0
_COLOURS = {"ok": 32, "warn": 33, "fail": 31}
_MARK = 6  # columns
_NARROW = 30


@click.command(cls=NoArgumentsCommand, short_help="Look for what is wrong, and say what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@with_client
def doctor(client: Client, *, as_json: bool) -> int:
    """Look for what is wrong with phsearch or could be better, with or without a daemon, and say what to do.

    Nothing is changed. The exit status is 1 if anything fails.
    """
    # Here, since no other command wants them.
    from phsearch.cli.doctor_checks import DoctorRun  # noqa: PLC0415

    screen = Console.of(sys.stdout, os.environ)
    if option_value("timeout") is None:
        client.timeout = _PATIENCE
    checks = list(DoctorRun(client, os.environ).checks())
    if as_json:
        screen.write(b"".join(table.json_line(dataclasses.asdict(check)) for check in checks))
    elif screen.terminal:
        screen.write("".join(_lines(check, screen, max(len(each.name) for each in checks)) for check in checks))
    else:
        screen.write(b"".join(table.tsv((each.state, each.name, each.text, each.remedy)) for each in checks))
    return exit_status.FAILED if any(check.state == "fail" for check in checks) else exit_status.DONE


def _lines(check: Check, screen: Console, room: int) -> str:
    mark = check.state.ljust(_MARK)
    if screen.styled:
        mark = f"\x1b[{_COLOURS[check.state]}m{mark}\x1b[m"
    margin = _MARK + room + 2
    wide = max(screen.width - margin, _NARROW)
    first, *rest = textwrap.wrap(table.cell(check.text), wide, break_on_hyphens=False) or [""]
    lines = [
        f"{mark}{screen.dim(table.cell(check.name).ljust(room))}  {first}",
        *(" " * margin + each for each in rest),
    ]
    if check.remedy:  # in one piece, to be copied
        lines.append(" " * margin + screen.bold(f"-> {table.cell(check.remedy)}"))
    return "".join(f"{line}\n" for line in lines)
