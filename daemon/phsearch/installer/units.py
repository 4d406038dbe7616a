"""Unit files as text: the ones in systemd/ are valid as they are, and are fitted here to one installation. Pure.

A word of a unit file passes two readers: one takes quotes and backslashes away, the other replaces %-specifiers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE, SOCKET = "phsearch.service", "phsearch.socket"
SANDBOX = f"{SERVICE}.d/sandbox.conf"
TRIAL = "phsearch-trial.service"

_MARK = "# phsearch"
_STATE, _DOWNLOADS = "%h/.local/state/phsearch", "%h/.cache/huggingface"
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
# systemd takes no such program, and what quotes and backslashes mean differs between the settings that take paths.
_UNSAFE = re.compile(r"[\"'\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class UnitValues:
    """What one installation puts in: the command, where things are written, and what the daemon is told of that."""

    command: tuple[str, ...]
    state: str
    downloads: str
    memory_high: str
    env: Mapping[str, str]


def render(text: str, values: UnitValues) -> str:
    """Give a unit file with the paths and settings of one installation. Raises PhsearchError."""
    lines = []
    for line in text.splitlines():
        match line.partition("=")[0]:
            case "ExecStart":
                # ":" keeps systemd from replacing $VARIABLES.
                program, *arguments = values.command
                lines.append("ExecStart=" + " ".join([path(":" + program), *map(word, arguments)]))
            case "MemoryHigh":
                lines.append(f"MemoryHigh={values.memory_high or 'infinity'}")
            case "UMask":
                assignments = (word(f"{name}={value}") for name, value in values.env.items())
                lines += [line, *(f"Environment={assignment}" for assignment in assignments)]
            case "ExecStartPre" | "ReadWritePaths":
                lines.append(_places(line, values))
            case _:
                lines.append(line)
    return "\n".join(lines) + "\n"


def _places(line: str, values: UnitValues) -> str:
    for default, place in ((_STATE, values.state), (_DOWNLOADS, values.downloads)):
        # A dash, "unless it is missing", belongs inside the quotes.
        line = line.replace(f"-{default}", path(f"-{place}")).replace(default, path(place))
    return line


def probe_unit(sandbox: str) -> str:
    """Give a unit that does nothing, in the same sandbox: where it fails, so would the service."""
    return f"{sandbox}\nType=oneshot\nExecStart=true\n"


def is_ours(text: str) -> bool:
    """Tell whether a unit file is one that phsearch wrote."""
    return text.startswith(_MARK)


def word(text: str) -> str:
    """Give one word of a command line or an assignment, so that systemd reads `text`. Raises PhsearchError."""
    return _quoted(re.sub(r'[\\"\x00-\x1f\x7f]', lambda found: f"\\x{ord(found[0]):02x}", _checked(text)))


def path(text: str) -> str:
    """Give the path of a program or of a list, so that systemd reads `text`. Raises PhsearchError."""
    if _UNSAFE.search(text):
        raise PhsearchError(f"systemd takes no path like {text!r}", "choose one without quotes and backslashes")
    return _quoted(_checked(text))


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PhsearchError(f"unit files are UTF-8, {text!r} is not", "choose another path") from None
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else f'"{text}"'
