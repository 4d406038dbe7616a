"""The names of the program and of its commands."""

from __future__ import annotations

PROGRAM = "phsearch-client"
COMPLETE = "_PHSEARCH_CLIENT_COMPLETE"
"""The variable that the shell's completion script sets when it wants suggestions."""

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
    "mcp": "mcp",
    "completion": "status",
    "help": "help",
}
"""Command -> the module in `cli.commands` that has it. Any other first word is the beginning of a query."""
