"""What an error of the system says to do fits its cause: nobody is sent to a disk or a folder that is well."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.store.errors import translate_errors
from phsearch.config import load
from phsearch.errors import ConfigError, PhsearchError, StoreError
from phsearch.installer.files import make_folder, write

if TYPE_CHECKING:
    from collections.abc import Callable

CAUSES = {
    errno.ENOSPC: "free some",
    errno.EDQUOT: "free some",
    errno.EROFS: "make it writable",
    errno.EIO: "journalctl -k",
    errno.ENOMEM: "memory",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "fs.file-max",
    errno.ENAMETOOLONG: "shorter path",
}


def store_hint(error: BaseException, verb: str = "write") -> str:
    with pytest.raises(StoreError) as caught, translate_errors(Path("/index"), verb):
        raise error
    return caught.value.hint


@pytest.mark.parametrize(("number", "remedy"), CAUSES.items(), ids=errno.errorcode.get)
def test_the_index_says_what_helps_against_its_cause(number: int, remedy: str) -> None:
    assert remedy in store_hint(OSError(number, os.strerror(number)))
    assert remedy in store_hint(RuntimeError(f"lance error: LanceError(IO): x (os error {number}), /a.rs:1"))


@pytest.mark.parametrize("verb", ["open", "read", "write"])
@pytest.mark.parametrize(
    "error",
    [
        OverflowError("value too large to convert to int64"),
        ValueError("Invalid user input: x"),
        RuntimeError("overflow"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_disk_is_blamed_for_what_no_disk_says(error: Exception, verb: str) -> None:
    assert "disk" not in store_hint(error, verb)
    assert "restart phsearchd" in store_hint(error, verb)


def test_memory_that_runs_out_is_no_fault_of_the_index() -> None:
    assert "memory" in store_hint(MemoryError())


def failing(number: int) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("number", "remedy"), [*CAUSES.items(), (errno.EACCES, "writable")], ids=str)
def test_the_installer_says_what_helps_against_its_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, remedy: str
) -> None:
    monkeypatch.setattr(Path, "mkdir", failing(number))
    with pytest.raises(PhsearchError) as caught:
        write(tmp_path / "unit", "x", 0o600)
    assert remedy in caught.value.hint
    with pytest.raises(PhsearchError) as caught:
        make_folder(tmp_path / "folder")
    assert remedy in caught.value.hint


@pytest.mark.parametrize(("number", "remedy"), [(errno.EIO, "journalctl"), (errno.EACCES, "readable")])
def test_settings_that_cannot_be_read_say_so_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, remedy: str
) -> None:
    monkeypatch.setattr(Path, "read_bytes", failing(number))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml")
    assert remedy in caught.value.hint
