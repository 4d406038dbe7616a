"""`phsearchd uninstall`: the service goes; photos stay in any case, index and settings unless they are to be purged."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError
from phsearch.installer.install import InstallPaths, is_ours
from phsearch.installer.systemctl import NoManagerError, Systemctl
from phsearch.installer.units import SANDBOX, SERVICE, SOCKET
from phsearch.paths import StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def uninstall(env: Mapping[str, str], say: Callable[[str], None], *, purge: bool, yes: bool) -> None:
    """Stop, disable and remove the service; with `purge` index and settings, too. Raises PhsearchError."""
    places = InstallPaths.of(env)
    if purge and not yes:
        _confirm(places)
    _remove_service(places, env, say)
    if not purge:
        kept = [place for place in (places.config, places.state) if place.exists()]
        for place in kept:
            say(f"kept      {place}")
        if kept:
            say("photos are untouched; `phsearchd uninstall --purge` removes the index and the settings, too")
        return
    _purge(places, say)
    say("photos are untouched")


def _remove_service(places: InstallPaths, env: Mapping[str, str], say: Callable[[str], None]) -> None:
    files = [places.units / name for name in (SERVICE, SOCKET, SANDBOX)]
    found = [file for file in files if is_ours(file)]
    try:
        manager = Systemctl.find(env)
    except NoManagerError:
        manager = None
    names = [file.name for file in found if file.suffix != ".conf"]
    if manager is not None and names:
        manager.run("disable", "--quiet", "--now", *names)
    for file in found:
        file.unlink()
        say(f"removed   {file}")
    drop_ins = (places.units / SANDBOX).parent
    if drop_ins.is_dir():
        if any(drop_ins.iterdir()):
            say(f"kept      {drop_ins}, which holds files of your own")
        else:
            drop_ins.rmdir()
    if manager is not None:
        manager.run("daemon-reload")
        manager.run("reset-failed", SERVICE, SOCKET, check=False)
    if not found:
        say("there was no service of phsearch's")


def _confirm(places: InstallPaths) -> None:
    if not sys.stdin.isatty():
        raise PhsearchError(
            "--purge removes the index and the settings, and asks before it does", "say --yes to mean it"
        )
    sys.stderr.write(f"Remove the index in {places.state} and {places.config}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise PhsearchError("nothing was removed")


def _purge(places: InstallPaths, say: Callable[[str], None]) -> None:
    if places.state.is_symlink():
        say(f"kept      {places.state}: it is a link, and what it points at is not removed")
    elif places.state.is_dir():
        state = StateFolder(places.state)
        lock = _locked(state)
        for path in state.entries():
            _remove(path)
        os.close(lock)
        _remove_folder(places.state, say)
    if places.config.exists() or places.config.is_symlink():
        places.config.unlink()
        say(f"removed   {places.config}")
    if places.config.parent.is_dir() and not places.config.parent.is_symlink():
        _remove_folder(places.config.parent, say)


def _locked(state: StateFolder) -> int:
    """Make sure that no daemon uses the index that is about to go."""
    lock = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise PhsearchError(f"a phsearchd uses {state.path}", "stop it first") from None
    return lock


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # which removes links and does not follow them
    else:
        path.unlink(missing_ok=True)


def _remove_folder(path: Path, say: Callable[[str], None]) -> None:
    left = sorted(entry.name for entry in path.iterdir())
    if left:
        say(f"kept      {path}: {', '.join(left)} did not come from phsearch")
    else:
        path.rmdir()
        say(f"removed   {path}")
