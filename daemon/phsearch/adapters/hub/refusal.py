"""Says in one sentence why the hub does not give a file, and what helps."""

from __future__ import annotations

import os

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from phsearch.errors import ModelUnavailableError, remedy_of
from phsearch.text import short_reason

_AGAIN = "it is tried again by itself, and goes on where it was"
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
_TOO_MANY, _UNAUTHORIZED, _FORBIDDEN, _SERVER_FAULT = 429, 401, 403, 500


def explain(error: Exception, repository: str) -> ModelUnavailableError:
    """Return why a file of a repository cannot be had, for anything that `fetch_file` raises."""
    if isinstance(error, ModelUnavailableError):
        return error
    reason, hint = _answer_reason(error, repository) or _line_reason(error) or (short_reason(error), _AGAIN)
    return ModelUnavailableError(f"the model cannot be downloaded: {reason}", hint)


def _answer_reason(error: Exception, repository: str) -> tuple[str, str] | None:
    """Return what the hub, or its library, said."""
    found: tuple[str, str] | None = None
    hub = constants.ENDPOINT
    match error:
        case GatedRepoError():
            remedy = f"accept them at {hub}/{repository}, and {_token()}"
            found = f"{repository} asks you to accept its terms first", remedy
        case RepositoryNotFoundError():
            found = f"{hub} has no {repository}, or it is private", f"check model.pretrained, or {_token()}"
        case LocalEntryNotFoundError() | OfflineModeIsEnabled() if constants.HF_HUB_OFFLINE:
            found = "HF_HUB_OFFLINE forbids it", "start the daemon once without HF_HUB_OFFLINE"
        case HfHubHTTPError(response=response):
            found = _status_reason(int(response.status_code), repository)
    return found


def _line_reason(error: Exception) -> tuple[str, str] | None:
    """Return what is wrong with the line to the hub, or with the disk."""
    found: tuple[str, str] | None = None
    hub = constants.ENDPOINT
    match error:
        case httpx2.TimeoutException():
            found = f"{hub} does not answer", f"connect to the network; {_AGAIN}"
        case httpx2.ProxyError() | httpx2.ConnectError() if _proxy():
            found = (
                f"the proxy {_proxy()} cannot be reached ({short_reason(error)})",
                "correct HTTPS_PROXY, or take it away",
            )
        case httpx2.ConnectError():
            found = f"{hub} cannot be reached ({short_reason(error)})", f"connect to the network; {_AGAIN}"
        case httpx2.TransportError():
            found = f"the line to {hub} breaks again and again ({short_reason(error)})", _AGAIN
        case OSError(strerror=str(text)):
            folder = error.filename or constants.HF_HUB_CACHE
            remedy = remedy_of(error.errno, "choose another folder for downloads with HF_HOME")
            found = f"{folder}: {text}", remedy
    return found


def _status_reason(status: int, repository: str) -> tuple[str, str]:
    hub = constants.ENDPOINT
    if status == _TOO_MANY:
        return f"{hub} has had too many requests from here", f"wait; {_AGAIN}"
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return f"{hub} refuses {repository} ({status})", _token()
    if status >= _SERVER_FAULT:
        return f"{hub} does not work just now ({status})", _AGAIN
    return f"{hub} answers {status} for {repository}", "check model.pretrained"


def _token() -> str:
    return f"put a token of your account into {constants.HF_TOKEN_PATH}"


def _proxy() -> str:
    """Return the proxy of the environment without its password, "" without one."""
    return next(filter(None, map(os.environ.get, _PROXIES)), "").rpartition("@")[2]
