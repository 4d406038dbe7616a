"""Logging: a terminal gets lines with times and without colours, journald gets lines with priorities.

journald reads a `<N>` prefix as the syslog priority (sd-daemon(3)), and adds the time itself.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, TextIO

from phsearch.text import escape_control_chars, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = ("debug", "info", "warning", "error")

ERROR_MARK = "<3>"
"""The prefix that marks an error for journald."""

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return escape_control_chars(super().formatException(ei))


class _JournalFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>"
        # Each line of a traceback is a separate entry, and needs the priority, too.
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def to_journal(env: Mapping[str, str], stream: TextIO) -> bool:
    """Return whether `stream` is connected to the journal, whose device and inode JOURNAL_STREAM names."""
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return env.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


def configure(level: str, env: Mapping[str, str], stream: TextIO) -> None:
    """Write records of `level` and above to `stream`; those of libraries only from `warning` on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(env, stream))
    # File names may have undecodable bytes, which must not fail a log line, or newlines, which must not forge one.
    handler.addFilter(_printable)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    set_level(level)


def describe_lost(count: int, env: Mapping[str, str], stream: TextIO) -> str:
    """Return the line that stands in the log for `count` lines that are missing."""
    what = "lines lost here, since they could not be written: %d"
    record = logging.LogRecord("phsearch", logging.WARNING, __file__, 0, what, (count,), None)
    return f"{_formatter(env, stream).format(record)}\n"


def set_level(level: str) -> None:
    """Log records of `level` and above from now on."""
    logging.getLogger("phsearch").setLevel(level.upper())


def _formatter(env: Mapping[str, str], stream: TextIO) -> logging.Formatter:
    if to_journal(env, stream):
        return _JournalFormatter("%(name)s: %(message)s")
    return _Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")


def _printable(record: logging.LogRecord) -> bool:
    record.msg = one_line(record.getMessage())
    record.args = None
    return True
