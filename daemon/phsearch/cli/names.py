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


def completion_variable(program: str) -> str:
    """Return the name of the variable by which a shell's completion script asks `program` for suggestions."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE"
