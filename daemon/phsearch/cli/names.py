"""The names of the programs, and of the client's commands."""

from __future__ import annotations

PROGRAM = "phsearch-client"
DAEMON = "phsearchd"

COMMANDS = {
    "search": "search",
    "status": "status",
    "albums": "albums",
    "dupes": "duplicates",
    "show": "show",
    "rescan": "library",
    "errors": "library",
    "confirm-deletions": "library",
    "reload": "config",
    "forget": "config",
    "pause": "pause",
    "resume": "pause",
    "why": "why",
    "verify": "verify",
    "watch": "status",
    "doctor": "doctor",
    "metrics": "metrics",
    "model": "model",
    "mcp": "mcp",
    "completion": "status",
    "help": "help",
}
"""Command -> the module in `cli.commands` that has it. Any other first word is the beginning of a query."""


def near_command(word: str) -> str | None:
    """Return the command that may be meant by a word: one letter is missing, too many, wrong, or in another place."""
    return next((command for command in COMMANDS if command != word and _is_near(word, command)), None)


def _is_near(word: str, command: str) -> bool:
    if min(len(word), len(command)) < _SHORTEST:
        return False
    start = 0
    while word[start : start + 1] == command[start : start + 1] and start < len(command):
        start += 1
    rest, other = word[start:], command[start:]
    return other in (rest[1:], rest[1:2] + rest[:1] + rest[2:]) or other[1:] in (rest, rest[1:])


_SHORTEST = 4


def completion_variable(program: str) -> str:
    """Return the name of the variable by which a shell's completion script asks `program` for suggestions."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE"
