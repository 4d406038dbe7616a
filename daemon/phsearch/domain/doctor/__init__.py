"""Judges facts about the installation. The client and the daemon gather them, each what it can see.

Nothing here reads files or calls the system. That a fact could not be read is a fact, too.
"""

from phsearch.domain.doctor.check import Check, CheckState, fail, ok, warn

__all__ = ["Check", "CheckState", "fail", "ok", "warn"]
