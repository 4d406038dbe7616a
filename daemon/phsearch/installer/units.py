"""Unit files as text: those in systemd/ are valid as they are. Here they get the paths of one installation. Pure.

systemd reads a word of a unit file twice: it removes quotes and backslashes, and it replaces %-specifiers.
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

_MARKS = ("# phsearch", '.\\" phsearch')  # as a unit file and a man page have comments
_STATE, _DOWNLOADS = "%h/.local/state/phsearch", "%h/.cache/huggingface"
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
# systemd accepts no such program. And settings that take paths read quotes and backslashes in different ways.
_UNSAFE = re.compile(r"[\"'\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitValues:
    """The values of one installation: the command, the folders to write to, and the environment of the daemon."""

    command: tuple[str, ...]
    state: str
    downloads: str
    memory_high: str
    env: Mapping[str, str]


def render(text: str, values: UnitValues) -> str:
    """Return a unit file with the paths and settings of one installation. Raise PhsearchError."""
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
                lines.append(_replace_paths(line, values))
            case _:
                lines.append(line)
    return "\n".join(lines) + "\n"


def _replace_paths(line: str, values: UnitValues) -> str:
    for default, actual in ((_STATE, values.state), (_DOWNLOADS, values.downloads)):
        # A dash, "unless it is missing", belongs inside the quotes.
        line = line.replace(f"-{default}", path(f"-{actual}")).replace(default, path(actual))
    return line


def probe_unit(sandbox: str) -> str:
    """Return a unit that does nothing in the same sandbox: where it fails, the service fails too."""
    return f"{sandbox}\nType=oneshot\nExecStart=true\n"


def is_ours(text: str) -> bool:
    """Whether phsearch wrote a unit file or a man page."""
    return text.startswith(_MARKS)


def word(text: str) -> str:
    """Return `text` as one word of a command line or an assignment of a unit. Raise PhsearchError."""
    return _quoted(re.sub(r'[\\"\x00-\x1f\x7f]', lambda found: f"\\x{ord(found[0]):02x}", _checked(text)))


def path(text: str) -> str:
    """Return `text` as the path of a program or of a list in a unit. Raise PhsearchError."""
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
