"""`doctor`: what is right, what is wrong, and what to do about it."""

from __future__ import annotations

import dataclasses
import os
import textwrap
from typing import TYPE_CHECKING

import click

from phsearch.cli import exit_status
from phsearch.cli.options import NoArgumentsCommand, json_lines_option, option_value, with_client
from phsearch.cli.render import table
from phsearch.cli.terminal import GREEN, RED, YELLOW, Console

if TYPE_CHECKING:
    from phsearch.client import Client
    from phsearch.domain.doctor import Check

_TIMEOUT = 5.0
_COLOURS = {"ok": GREEN, "warn": YELLOW, "fail": RED}
_MARK = 6  # columns
_NARROW = 30


@click.command(cls=NoArgumentsCommand, short_help="Check what is wrong, and say what to do.")
@json_lines_option
@with_client
def doctor(client: Client, *, as_json: bool) -> int:
    """Check what is wrong with phsearch or could be better, with or without a daemon, and say what to do.

    Nothing is changed. The exit status is 1 if a check fails.
    """
    from phsearch.cli.doctor_checks import DoctorRun  # noqa: PLC0415 - used only here

    console = Console.stdout()
    if option_value("timeout") is None:
        client.timeout = _TIMEOUT
    checks = list(DoctorRun(client=client, env=os.environ, uid=os.getuid()).checks())
    if as_json:
        console.write(b"".join(table.json_line(dataclasses.asdict(check)) for check in checks))
    elif console.terminal:
        console.write(
            "".join(_format_check(check, console, max(len(each.name) for each in checks)) for check in checks)
        )
    else:
        console.write(b"".join(table.tsv((each.state, each.name, each.text, each.remedy)) for each in checks))
    return exit_status.FAILED if any(check.state == "fail" for check in checks) else exit_status.DONE


def _format_check(check: Check, console: Console, room: int) -> str:
    mark = console.styled_as(check.state.ljust(_MARK), _COLOURS[check.state])
    margin = _MARK + room + 2
    wide = max(console.width - margin, _NARROW)
    first, *rest = textwrap.wrap(table.cell(check.text), wide, break_on_hyphens=False) or [""]
    lines = [
        f"{mark}{console.dim(table.cell(check.name).ljust(room))}  {first}",
        *(" " * margin + each for each in rest),
    ]
    if check.remedy:  # unbroken, to be copied
        lines.append(" " * margin + console.bold(f"-> {table.cell(check.remedy)}"))
    return "".join(f"{line}\n" for line in lines)
