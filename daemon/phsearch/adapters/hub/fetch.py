"""Fetches files from the model hub into the cache of its library, and goes on where an earlier try was cut off.

The library itself begins an interrupted file anew, and does not compare what came with its checksum. Both are done
here. Names, addresses, tokens, mirrors and the layout of the cache are the library's.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_download, hf_hub_url
from huggingface_hub import try_to_load_from_cache as find_cached
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined] # documented

from phsearch.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    Report = Callable[[int, int], None]
    """Gets the bytes of a file that are there, and all that it has."""

log = logging.getLogger("phsearch.model")

_SHA256, _GIT_SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
_PART = ".phsearch-part"
_OTHER_FILES = 64 << 20
"""Bytes that a disk must have beyond the file itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a line counts as dead: it was silent for so many seconds, so many times without a byte in between."""

    answer_seconds: float = 10.0
    silent_seconds: float = 20.0
    tries: int = 5
    pause_seconds: float = 2.0


def is_offline() -> bool:
    """Whether the owner forbids the hub's library to use the network (HF_HUB_OFFLINE)."""
    return bool(constants.HF_HUB_OFFLINE)


def fetch_file(repository: str, name: str, report: Report, patience: Patience = Patience()) -> Path:
    """Return a file of the cache whose checksum is right. It is downloaded if it is missing or damaged.

    Raises ModelUnavailableError for a file that arrives damaged or has no room on the disk, OSError for the disk, and
    the errors of the hub's library and of httpx2.
    """
    cached = find_cached(repository, name)
    if isinstance(cached, str):
        blob = Path(cached).resolve()
        if _is_sound(blob, blob.name):
            return Path(cached)
        log.warning("%s of %s is damaged; it is downloaded again", name, repository)
        blob.unlink()
    if is_offline():
        return Path(hf_hub_download(repository, name))  # says what is missing
    about = get_hf_file_metadata(hf_hub_url(repository, name), timeout=patience.answer_seconds)
    if about.etag is None or about.size is None or about.commit_hash is None:
        raise ModelUnavailableError(
            f"{constants.ENDPOINT} does not answer as a model hub does",
            "a captive portal or a proxy may be in between: open a web page, and look at HF_ENDPOINT",
        )
    blob = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repository, repo_type="model"), "blobs", about.etag)
    if not blob.exists():
        _download(repository, name, blob, about.size, report, patience)
    # The library adds the name to the blob.
    return Path(hf_hub_download(repository, name, etag_timeout=patience.answer_seconds))


def _download(repository: str, name: str, blob: Path, size: int, report: Report, patience: Patience) -> None:
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{blob.name}{_PART}")
    for _ in range(2):
        _check_space(part, size)
        _receive_all(hf_hub_url(repository, name), part, size, report, patience)
        if _is_sound(part, blob.name):
            part.replace(blob)
            return
        log.warning("%s of %s has arrived damaged", name, repository)
        part.unlink()
    raise ModelUnavailableError(
        f"{name} of {repository} arrives damaged: its checksum is not that of the hub",
        "it is tried again by itself; a proxy or a mirror (HF_ENDPOINT) may change what it passes on",
    )


def _check_space(part: Path, size: int) -> None:
    needed = size - _size(part) + _OTHER_FILES
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise ModelUnavailableError(
            f"{part.parent} has {free / 1e6:,.0f} MB free, and the download needs {needed / 1e6:,.0f} MB",
            "make room there, or move the cache to another disk with HF_HOME",
        )


def _receive_all(url: str, part: Path, size: int, report: Report, patience: Patience) -> None:
    """Append to `part` until it has `size` bytes. Raises httpx2.TransportError when the line is dead."""
    if _size(part) > size:
        part.unlink()
    failures = 0
    while (have := _size(part)) < size:
        report(have, size)
        try:
            _receive_some(url, part, size, report, patience)
        except httpx2.TransportError:
            failures = 1 if _size(part) > have else failures + 1
            if failures >= patience.tries:
                raise
            time.sleep(patience.pause_seconds)
    report(size, size)


def _receive_some(url: str, part: Path, size: int, report: Report, patience: Patience) -> None:
    """Append what one answer brings."""
    have = _size(part)
    headers = build_hf_headers() | {"Accept-Encoding": "identity", "Range": f"bytes={have}-"}
    timeout = httpx2.Timeout(patience.answer_seconds, read=patience.silent_seconds)
    with get_session().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as response:
        hf_raise_for_status(response)
        resumed = response.status_code == httpx2.codes.PARTIAL_CONTENT
        with part.open("ab" if resumed else "wb") as file:
            have = have if resumed else 0
            for piece in response.iter_bytes():  # as they come: pieces of one size would lose the last of a cut line
                file.write(piece)
                have += len(piece)
                report(min(have, size), size)
            file.flush()
            os.fsync(file.fileno())
    if have < size:
        raise httpx2.RemoteProtocolError("the connection was closed too early")


def _is_sound(path: Path, etag: str) -> bool:
    """Whether a file has the checksum that its name on the hub is: sha256 for weights, that of git for small files."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if _SHA256.fullmatch(etag):
            return hashlib.file_digest(file, "sha256").hexdigest() == etag
        if _GIT_SHA1.fullmatch(etag):
            data = file.read()
            return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest() == etag
        return True
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
