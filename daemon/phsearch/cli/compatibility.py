"""When daemon and client are of different versions: one sentence that names both.

Mostly phsearch was upgraded and the old daemon still runs. The versions are compared only after something failed: the
protocol grows by adding, so nearly everything is understood, and a query must not pay for the comparison.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phsearch import __version__
from phsearch.client import RESTART_HINT
from phsearch.errors import MalformedAnswerError, PhsearchError, RemoteError
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from phsearch.client import Client

_STATUS_SECONDS = 2.0
_BAD_ANSWER = (MalformedAnswerError, LookupError, TypeError, AttributeError, ValueError)
"""What an answer leads to in which something is missing, or has another type."""


def raise_mismatch(client: Client, problem: Exception) -> None:
    """Raise RemoteError that names both versions where their difference led to `problem`."""
    unknown = isinstance(problem, RemoteError) and _is_version_error(problem)
    if not unknown and not isinstance(problem, _BAD_ANSWER):
        return
    if (daemon := _read_versions(client)) is None:
        return
    if not isinstance(problem, _BAD_ANSWER):
        raise _mismatch(*daemon, "does not understand", str(problem)) from problem
    if daemon != (__version__, PROTOCOL) and not os.environ.get("PHSEARCH_DEBUG"):
        raise _mismatch(*daemon, "does not answer as expected by", str(problem)) from problem


def _is_version_error(problem: RemoteError) -> bool:
    unknown = problem.kind == "InvalidParams" and str(problem).startswith("unknown parameter")
    return unknown or problem.kind in ("MethodNotFound", "Protocol")


def _read_versions(client: Client) -> tuple[str, object] | None:
    """Return the daemon's version and protocol, None where it does not answer."""
    client.timeout = min(client.timeout, _STATUS_SECONDS)
    try:
        status = client.call("status")
    except PhsearchError:
        return None
    if not isinstance(status, dict):
        return None
    return str(status.get("version", "of an unknown version")), status.get("protocol", "unknown")


def _mismatch(version: str, protocol: object, what: str, why: str) -> RemoteError:
    daemon = f"phsearchd {version} (protocol {protocol})"
    newer = _numbers(version) > _numbers(__version__)
    hint = "upgrade this client, or see whether another one comes first in $PATH" if newer else RESTART_HINT
    client = f"phsearch-client {__version__} (protocol {PROTOCOL})"
    return RemoteError(f"{daemon} {what} {client} ({why})", hint, kind="Protocol")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
