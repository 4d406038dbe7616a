"""What LanceDB's errors mean: the message for the user, and whether the files are damaged or only unreachable."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from phsearch.errors import ModelMismatchError, PhsearchError, StoreError, remedy_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phsearch.domain.types import ModelIdentity

REBUILD = "`phsearchd --rebuild` makes it anew from your photos"

_CHECK_PERMISSIONS = "check the permissions of its files, and its disk"
_NO_PATH = "Failed to parse path"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ABOUT_THE_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EEXIST}
"""Errors of the files themselves. Any other is of the disk, of permissions or of this process."""


@contextlib.contextmanager
def translate_errors(folder: Path, verb: str) -> Iterator[None]:
    """Turn any failure to `verb` the index in `folder` ("open", "read", "write") into StoreError."""
    try:
        yield
    except PhsearchError:
        raise
    except BaseException as error:
        if not is_failure(error):
            raise
        raise _explained(error, folder, verb) from error


def is_failure(error: BaseException) -> bool:
    """Whether `error` is a failure, not a request to stop: a panic in Rust is a BaseException, too."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def is_damage(error: BaseException) -> bool:
    """Whether `error` says that files are broken, so that older ones may help, and not that they are unreachable."""
    if not is_failure(error) or isinstance(error, (PhsearchError, MemoryError)) or _is_newer(error):
        return False
    return _errno(error) in _ABOUT_THE_FILE | {None}


def newer(folder: Path) -> StoreError:
    """Return the error for an index that this phsearch is too old for."""
    return StoreError(
        f"the index in {folder} was written by a newer phsearch",
        "install that version again, or choose another --state-dir",
    )


def other_model(table: str, stored: ModelIdentity | None, loaded: ModelIdentity) -> ModelMismatchError:
    """Return the error for a table whose vectors cannot be compared with those of the model that is loaded."""
    if stored is None:
        reason = f"the table {table} of the index does not say which model made it"
    else:
        what = "other weights" if stored.weights != loaded.weights else "another preparation of photos"
        reason = f'the table {table} of the index is for {what} of "{loaded.name}" than are loaded now'
    return ModelMismatchError(
        reason, "put the former weights back, or start once with `phsearchd --rebuild` to embed every photo anew"
    )


def unexpected_model(name: str) -> ModelMismatchError:
    """Return the error for a model that has another identity when it is loaded than was expected before."""
    return ModelMismatchError(
        f'the weights of "{name}" that are loaded are not those that were expected',
        "start phsearchd again; if that does not help, install the model again",
    )


def first_line(error: BaseException) -> str:
    """Return the message of `error` without the positions in Rust sources that LanceDB appends."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r",? ?/\S+\.rs:\d+.*", "", line)[:200]


def _explained(error: BaseException, folder: Path, verb: str) -> StoreError:
    if _is_newer(error):
        return newer(folder)
    number = errno.ENOMEM if isinstance(error, MemoryError) else _errno(error)
    if number in _FULL:
        return StoreError(f"no space left for the index in {folder}", "free some disk space")
    if number == errno.EROFS:
        return StoreError(
            f"the index in {folder} lies on a read-only file system",
            "make it writable again; until then photos are found but no new ones are indexed",
        )
    if number is not None and number not in _ABOUT_THE_FILE:
        return StoreError(
            f"cannot {verb} the index in {folder}: {os.strerror(number)}", remedy_of(number, _CHECK_PERMISSIONS)
        )
    what = f"cannot {verb} the index in {folder}: {first_line(error)}"
    if _NO_PATH in str(error):
        return StoreError(what, "its path has a character that LanceDB takes in no name: choose another --state-dir")
    return StoreError(what, f"restart phsearchd; if that does not help, {REBUILD}")


def _is_newer(error: BaseException) -> bool:
    return "by this version of Lance" in str(error)


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None
