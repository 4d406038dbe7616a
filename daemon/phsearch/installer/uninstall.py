"""`phsearchd uninstall`: remove service and man pages. Index and settings stay unless purged; photos always stay."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError
from phsearch.installer.install import MAN_PAGES, InstallPaths, is_ours
from phsearch.installer.systemctl import NoManagerError, Systemctl
from phsearch.installer.units import SANDBOX, SERVICE, SOCKET
from phsearch.paths import StateFolder
from phsearch.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def uninstall(env: Mapping[str, str], print_line: Callable[[str], None], *, purge: bool, yes: bool) -> None:
    """Stop, disable and remove the service; with `purge` also index and settings. Raise PhsearchError."""
    install_paths = InstallPaths.of(env)
    if purge and not yes:
        _confirm(install_paths)
    _remove_service(install_paths, env, print_line)
    for page in (install_paths.man / page for page in MAN_PAGES):
        if is_ours(page):
            page.unlink()
            print_line(f"removed   {page}")
    if not purge:
        kept = [path for path in (install_paths.config, install_paths.state) if path.exists()]
        for path in kept:
            print_line(f"kept      {path}")
        if kept:
            print_line("photos are untouched; `phsearchd uninstall --purge` removes the index and the settings, too")
        return
    _purge(install_paths, print_line)
    print_line("photos are untouched")


def _remove_service(install_paths: InstallPaths, env: Mapping[str, str], print_line: Callable[[str], None]) -> None:
    files = [install_paths.units / name for name in (SERVICE, SOCKET, SANDBOX)]
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
        print_line(f"removed   {file}")
    drop_ins = (install_paths.units / SANDBOX).parent
    if drop_ins.is_dir():
        if any(drop_ins.iterdir()):
            print_line(f"kept      {drop_ins}, which holds other files of yours")
        else:
            drop_ins.rmdir()
    if manager is not None:
        manager.run("daemon-reload")
        manager.run("reset-failed", SERVICE, SOCKET, check=False)
    if not found:
        print_line("there was no service of phsearch")


def _confirm(install_paths: InstallPaths) -> None:
    if not sys.stdin.isatty():
        raise PhsearchError(
            "--purge removes the index and the settings, and asks before it does", "say --yes to mean it"
        )
    sys.stderr.write(one_line(f"Remove the index in {install_paths.state} and {install_paths.config}? [y/N] "))
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise PhsearchError("nothing was removed")


def _purge(install_paths: InstallPaths, print_line: Callable[[str], None]) -> None:
    if install_paths.state.is_symlink():
        print_line(f"kept      {install_paths.state}: it is a link, and what it points at is not removed")
    elif install_paths.state.is_dir():
        state = StateFolder(install_paths.state)
        lock = _lock(state)
        for path in state.entries():
            _remove(path)
        os.close(lock)
        _remove_folder(install_paths.state, print_line)
    if install_paths.config.exists() or install_paths.config.is_symlink():
        install_paths.config.unlink()
        print_line(f"removed   {install_paths.config}")
    if install_paths.config.parent.is_dir() and not install_paths.config.parent.is_symlink():
        _remove_folder(install_paths.config.parent, print_line)


def _lock(state: StateFolder) -> int:
    """Lock the state folder, and return the lock. Raise PhsearchError if a daemon uses it."""
    lock = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise PhsearchError(f"a phsearchd uses {state.path}", "stop it first") from None
    except OSError:  # where the file system has no locks, no daemon could start
        return lock
    return lock


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)  # it removes links and does not follow them
    else:
        path.unlink(missing_ok=True)


def _remove_folder(path: Path, print_line: Callable[[str], None]) -> None:
    left = sorted(entry.name for entry in path.iterdir())
    if left:
        print_line(f"kept      {path}: {', '.join(left)} did not come from phsearch")
    else:
        path.rmdir()
        print_line(f"removed   {path}")
