"""When daemon and client are of different versions: one sentence that names both.

Mostly phsearch was upgraded and the old daemon still runs. The versions are compared only after something failed: the
protocol grows by adding, so nearly everything is understood, and a query must not pay for the comparison.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from phsearch import __version__
from phsearch.client import RESTART_HINT
from phsearch.errors import PhsearchError, RemoteError
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.client import Client

_T = TypeVar("_T")

_STATUS_SECONDS = 2.0
_BAD_ANSWER = (LookupError, TypeError, AttributeError, ValueError)
"""What an answer leads to in which something is missing, or has another type."""


def explain_mismatch(client: Client, work: Callable[[], _T]) -> _T:
    """Return the result of `work`. Raise RemoteError that names both versions where their difference made it fail."""
    try:
        return work()
    except RemoteError as problem:
        if not _is_version_error(problem) or not (status := _read_status(client)):
            raise
        raise _mismatch(status, "does not understand", str(problem)) from problem
    except _BAD_ANSWER as problem:
        status = _read_status(client)
        if os.environ.get("PHSEARCH_DEBUG") or not status or _is_same_version(status):
            raise
        raise _mismatch(status, "does not answer as expected by", type(problem).__name__) from problem


def _is_version_error(problem: RemoteError) -> bool:
    unknown = problem.kind == "InvalidParams" and str(problem).startswith("unknown parameter")
    return unknown or problem.kind in ("MethodNotFound", "Protocol")


def _read_status(client: Client) -> dict[str, Any]:
    client.timeout = min(client.timeout, _STATUS_SECONDS)
    try:
        status = client.call("status")
    except PhsearchError:
        return {}
    return status if isinstance(status, dict) else {}


def _is_same_version(status: dict[str, Any]) -> bool:
    return (status.get("version"), status.get("protocol")) == (__version__, PROTOCOL)


def _mismatch(status: dict[str, Any], what: str, why: str) -> RemoteError:
    version, protocol = str(status.get("version", "of an unknown version")), status.get("protocol", "unknown")
    daemon = f"phsearchd {version} (protocol {protocol})"
    newer = _numbers(version) > _numbers(__version__)
    hint = "upgrade this client, or see whether another one comes first in $PATH" if newer else RESTART_HINT
    client = f"phsearch-client {__version__} (protocol {PROTOCOL})"
    return RemoteError(f"{daemon} {what} {client} ({why})", hint, kind="Protocol")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
