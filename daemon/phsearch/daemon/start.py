"""Starting the daemon: its settings, the lock for one daemon per state folder, and the exit status.

Heavy modules are imported only when the daemon can start.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import fcntl
import logging
import os
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from phsearch import logs, paths, state_lock
from phsearch.adapters.linux import systemd
from phsearch.adapters.state.model_choice_file import ModelChoiceFile
from phsearch.adapters.state.permissions import restrict
from phsearch.cli import exit_status
from phsearch.config import ConfigSource, DaemonOptions
from phsearch.daemon.background_stderr import background_stderr
from phsearch.daemon.hangup import HangupSignal
from phsearch.domain.problems import Problems
from phsearch.errors import AlreadyRunningError, ConfigError, PhsearchError, remedy_of
from phsearch.text import one_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phsearch.config import Settings
    from phsearch.paths import StateFolder

log = logging.getLogger("phsearch")

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What flock() says on NFS without a lock daemon, and on file systems of FUSE without locks."""


def start(given: Mapping[str, Any], env: Mapping[str, str], *, worker: tuple[str, ...] | None, has_model: bool) -> int:
    """Run the daemon until a signal stops it, and return the exit status.

    `given` has the values of DaemonOptions. `worker` is the program of a worker process, for tests.
    """
    hangup = HangupSignal()
    # systemd ends a daemon that hangs with SIGABRT: then the stacks of all its threads are in the journal.
    faulthandler.enable()
    with background_stderr(lambda count: logs.describe_lost(count, env, sys.stderr)):
        return _start(given, env, worker=worker, has_model=has_model, hangup=hangup)


def _start(
    given: Mapping[str, Any],
    env: Mapping[str, str],
    *,
    worker: tuple[str, ...] | None,
    has_model: bool,
    hangup: HangupSignal,
) -> int:
    listener: socket.socket | None = None
    try:
        listener = systemd.listen_socket(env)
        options = DaemonOptions(**given)
        source = ConfigSource(options, env)
        settings = source.read()
        logs.configure(settings.config.log.level, env, sys.stderr)
        lock = _lock(settings.paths.state)
        restrict(settings.paths.state)
        if options.rebuild:
            _discard_model(settings)
        from phsearch.daemon import run  # noqa: PLC0415 - seconds of imports, only for a daemon that will run

        status = run.run(
            settings=settings,
            read_settings=source.read,
            env=env,
            inherited=listener,
            worker=worker,
            has_model=has_model or worker is None,
            announce=partial(_announce, lock),
            hangup=hangup,
        )
        os.close(lock)
    except PhsearchError as error:
        return _report(error, env, listener)
    except Exception:
        log.exception("stopped by a bug in phsearch: please report it with these lines")
        return exit_status.FAILED
    finally:
        hangup.ignore()
    return status


def run_installer(work: Callable[[Callable[[str], None]], None], env: Mapping[str, str]) -> int:
    """Call `work` with a function that prints a line, and return the exit status."""

    def print_line(line: str) -> None:
        sys.stdout.write(f"{one_line(line)}\n")

    try:
        work(print_line)
    except PhsearchError as error:
        return _report(error, env, None)
    return exit_status.DONE


def _lock(state: StateFolder) -> int:
    """Create the state folder, lock it for the life of this process, and return the lock. Raise PhsearchError.

    Two writers would damage the index.
    """
    try:
        state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = paths.describe_dangling_link(state.path) or _other_owner(state.path, error) or error.strerror
        raise PhsearchError(
            f"cannot use the state directory {state.path}: {reason}",
            f"{remedy_of(error.errno, 'make it writable')}, or choose another with --state-dir",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise _already_running(state) from None
    except OSError as error:
        os.close(lock)
        raise PhsearchError(
            f"cannot lock {state.lock}: {_describe_lock_error(error)}",
            "keep the state on a local disk with --state-dir, for all commands with XDG_STATE_HOME",
        ) from error
    return lock


def _describe_lock_error(error: OSError) -> str:
    """Return why a file cannot be locked, other than by another daemon."""
    if error.errno in _NO_LOCKS:
        return f"its file system offers no locks ({error.strerror}), as some network disks do"
    return error.strerror or str(error)


def _other_owner(path: Path, error: OSError) -> str:
    """Return a clause on whose folder it is that we may not use; "" if it is ours."""
    if not isinstance(error, PermissionError):
        return ""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            owner = folder.stat().st_uid
            return "" if owner == os.geteuid() else f"{folder} belongs to another user (uid {owner})"
    return ""


def _already_running(state: StateFolder) -> AlreadyRunningError:
    holder = state_lock.read_holder(state.lock)
    who = f"another phsearchd (process {holder.pid}, listening on {holder.socket})" if holder else "another phsearchd"
    stop = f"stop it first with `kill {holder.pid}`" if holder else "stop it first"
    return AlreadyRunningError(f"{who} uses {state.path}", f"{stop}, or choose another place with --state-dir")


def _announce(lock: int, socket_path: str) -> None:
    try:
        state_lock.write_holder(lock, socket_path)
    except OSError as error:
        log.warning("cannot write into the lock where the daemon listens: %s", error.strerror)


def _discard_model(settings: Settings) -> None:
    """Discard the photos of the model that is wanted. No former one answers meanwhile: its table may be damaged."""
    from phsearch.adapters.store.model_tables import discard_model  # noqa: PLC0415 - see start
    from phsearch.daemon.model_selection import wanted_model  # noqa: PLC0415 - see start

    file = ModelChoiceFile(settings.paths.state.model_choice_file, Problems())
    choice = file.load()
    model = wanted_model(settings, choice)
    discard_model(settings.paths.state.index, name=model.name, pretrained=model.pretrained)
    if choice.active is not None:
        file.save(replace(choice, active=None))


def _report(error: PhsearchError, env: Mapping[str, str], listener: socket.socket | None) -> int:
    """Print an error, also to the clients that wait at the socket of systemd, and return the exit status."""
    mark = logs.ERROR_MARK if logs.to_journal(env, sys.stderr) else ""
    sys.stderr.write(f"{mark}{one_line(f'phsearchd: {error.sentence()}')}\n")
    if listener is not None:
        from phsearch.service.rpc.listener import reject_waiting_clients  # noqa: PLC0415

        reject_waiting_clients(listener, error)
    return exit_status.CONFIG if isinstance(error, ConfigError) else exit_status.FAILED
