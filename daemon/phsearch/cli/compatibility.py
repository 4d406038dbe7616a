"""When daemon and client are of different versions: one sentence that names both, instead of what it led to.

Mostly phsearch was upgraded and the daemon still runs as it was. The versions are compared only once something went
wrong: the protocol grows by adding, so nearly everything is understood, and a query is not to pay for the rest.
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

_SECONDS = 2.0
_SENSELESS = (LookupError, TypeError, AttributeError, ValueError)
"""What comes of an answer in which something is missing, or is of another kind."""


def explain_mismatch(client: Client, work: Callable[[], _T]) -> _T:
    """Give what `work` gives; what two versions that differ lead to is raised as a RemoteError that says so."""
    try:
        return work()
    except RemoteError as problem:
        if not _of_versions(problem) or not (status := _status(client)):
            raise
        raise _mismatch(status, "does not understand", str(problem)) from problem
    except _SENSELESS as problem:
        status = _status(client)
        if os.environ.get("PHSEARCH_DEBUG") or not status or _ours(status):
            raise
        raise _mismatch(status, "does not answer as expected by", type(problem).__name__) from problem


def _of_versions(problem: RemoteError) -> bool:
    unknown = problem.kind == "InvalidParams" and str(problem).startswith("unknown parameter")
    return unknown or problem.kind in ("MethodNotFound", "Protocol")


def _status(client: Client) -> dict[str, Any]:
    client.timeout = min(client.timeout, _SECONDS)
    try:
        status = client.call("status")
    except PhsearchError:
        return {}
    return status if isinstance(status, dict) else {}


def _ours(status: dict[str, Any]) -> bool:
    return (status.get("version"), status.get("protocol")) == (__version__, PROTOCOL)


def _mismatch(status: dict[str, Any], what: str, why: str) -> RemoteError:
    version, protocol = str(status.get("version", "of an unknown version")), status.get("protocol", "unknown")
    theirs = f"phsearchd {version} (protocol {protocol})"
    newer = _numbers(version) > _numbers(__version__)
    hint = "upgrade this client, or see whether another one comes first in $PATH" if newer else RESTART_HINT
    ours = f"phsearch-client {__version__} (protocol {PROTOCOL})"
    return RemoteError(f"{theirs} {what} {ours} ({why})", hint, kind="Protocol")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
