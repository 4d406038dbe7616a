"""`doctor`: what is well, what is not, and what to do about it."""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status as exits
from phsearch.cli.options import Wordless, asking, given
from phsearch.cli.render import table as output
from phsearch.cli.terminal import Screen

if TYPE_CHECKING:
    from phsearch.client import Client
    from phsearch.domain.doctor import Check

_PATIENCE = 5.0
_COLOURS = {"ok": 32, "warn": 33, "fail": 31}
_MARK = 6  # columns
_NARROW = 30


@click.command(cls=Wordless, short_help="Look for what is wrong, and say what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@asking
def doctor(client: Client, *, as_json: bool) -> int:
    """Look for what is wrong with phsearch or could be better, with or without a daemon, and say what to do.

    Nothing is changed. The exit status is 1 if anything fails.
    """
    # Here, since no other command wants them.
    from phsearch.cli.doctor_checks import Examination  # noqa: PLC0415

    screen = Screen.of(sys.stdout, os.environ)
    if given("timeout") is None:
        client.timeout = _PATIENCE
    checks = list(Examination(client, os.environ).checks())
    if as_json:
        screen.write(b"".join(output.json_line(dataclasses.asdict(check)) for check in checks))
    elif screen.terminal:
        screen.write("".join(_lines(check, screen, max(len(each.name) for each in checks)) for check in checks))
    else:
        screen.write(b"".join(output.tsv((each.state, each.name, each.text, each.remedy)) for each in checks))
    return exits.FAILED if any(check.state == "fail" for check in checks) else exits.DONE


def _lines(check: Check, screen: Screen, room: int) -> str:
    mark = check.state.ljust(_MARK)
    if screen.styled:
        mark = f"\x1b[{_COLOURS[check.state]}m{mark}\x1b[m"
    margin = _MARK + room + 2
    wide = max(screen.width - margin, _NARROW)
    first, *rest = textwrap.wrap(output.cell(check.text), wide, break_on_hyphens=False) or [""]
    lines = [
        f"{mark}{screen.dim(output.cell(check.name).ljust(room))}  {first}",
        *(" " * margin + each for each in rest),
    ]
    if check.remedy:  # in one piece, to be copied
        lines.append(" " * margin + screen.bold(f"-> {output.cell(check.remedy)}"))
    return "".join(f"{line}\n" for line in lines)
