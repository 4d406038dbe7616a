"""One daemon for each state folder, and the true reason where its lock cannot be had."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from phsearch.daemon import start
from phsearch.errors import PhsearchError
from phsearch.installer import uninstall
from phsearch.paths import StateFolder

if TYPE_CHECKING:
    from pathlib import Path

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def said(folder: Path) -> str:
    """Return what a daemon says that cannot start."""
    with pytest.raises(PhsearchError) as caught:
        start._lock(StateFolder(folder / "state"))
    return caught.value.sentence()


@pytest.mark.parametrize("number", [*NO_LOCKS, errno.EIO, errno.ESTALE, errno.EBADF])
def test_a_file_system_without_locks_is_no_other_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_descriptor: int, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    sentence = said(tmp_path)
    assert sentence.startswith(f"cannot lock {tmp_path}/state/lock: ")
    assert os.strerror(number) in sentence
    assert ("its file system offers no locks" in sentence) == (number in NO_LOCKS)
    assert "another phsearchd" not in sentence
    assert "keep the state on a local disk with --state-dir" in sentence


def test_another_daemon_is_named_as_the_reason(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert f"another phsearchd uses {tmp_path}/state: stop it first" in said(tmp_path)


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to("/mnt/elsewhere/state")
    assert f"{tmp_path}/state is a link to /mnt/elsewhere/state, which is not there" in said(tmp_path)


def test_a_folder_of_another_user_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert "cannot use the state directory" in (own := said(tmp_path))
    assert "Permission denied" in own
    uid = os.getuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    assert f"{tmp_path}/state belongs to another user (uid {uid})" in said(tmp_path)


@pytest.mark.parametrize("number", NO_LOCKS)
def test_what_lies_where_no_daemon_can_run_may_be_purged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_descriptor: int, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    os.close(uninstall._lock(StateFolder(tmp_path)))
