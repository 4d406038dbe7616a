"""`phsearchd`: options, settings, the lock for one daemon per state folder, and the exit status.

Heavy modules are imported only when the daemon can start.
"""

from __future__ import annotations

import argparse
import faulthandler
import fcntl
import logging
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from phsearch import __version__, logs
from phsearch.adapters.linux import systemd
from phsearch.adapters.state.permissions import restrict
from phsearch.config import ConfigSource
from phsearch.errors import AlreadyRunningError, ConfigError, PhsearchError
from phsearch.text import escape_control_chars, one_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from phsearch.config import ModelConfig
    from phsearch.paths import StateFolder

log = logging.getLogger("phsearch")

_DAEMON_OPTIONS = ("config", "root", "state_dir", "socket", "model", "log_level", "rebuild")

EX_FAILED = 1
EX_CONFIG = 78


def main(
    argv: Sequence[str] | None = None, *, worker: tuple[str, ...] | None = None, has_model: bool = False
) -> NoReturn:
    """Run the daemon in the foreground until a signal stops it.

    `argv` is the command line, by default that of this process. `worker` is the program of a worker process, for tests;
    it runs the model by the daemon's plan only if it `has_model`.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    # systemd ends a daemon that hangs with SIGABRT: then the stacks of all its threads are in the journal.
    if sys.stderr is not None:
        faulthandler.enable()
    env = os.environ
    if options.command:
        if any(getattr(options, name) for name in _DAEMON_OPTIONS):
            parser.error(
                f"{options.command} takes its own options only: the service runs with the settings in config.toml"
            )
        sys.exit(_run_installer(options, env))
    listener: socket.socket | None = None
    try:
        listener = systemd.listen_socket(env)
        source = ConfigSource(options, env)
        settings = source.read()
        logs.configure(settings.config.log.level, env)
        lock = _lock(settings.paths.state)
        restrict(settings.paths.state)
        if options.rebuild:
            _discard_model(settings.paths.state.index, settings.config.model)
        from phsearch.daemon import run  # noqa: PLC0415 - seconds of imports, only for a daemon that will run

        status = run.run(
            settings=settings,
            read_settings=source.read,
            env=env,
            inherited=listener,
            worker=worker,
            has_model=has_model or worker is None,
        )
        os.close(lock)
    except PhsearchError as error:
        _print_error(error, env, listener)
        status = EX_CONFIG if isinstance(error, ConfigError) else EX_FAILED
    except Exception:
        log.exception("stopped by a bug in phsearch: please report it with these lines")
        status = EX_FAILED
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="phsearchd",
        description="Watch photo folders, understand every picture, answer phsearch-client.",
        epilog="Settings are read from $XDG_CONFIG_HOME/phsearch/config.toml; options win over them.",
    )
    parser.add_argument("--config", metavar="FILE", help="read the settings from FILE")
    parser.add_argument("--root", metavar="DIR", nargs="+", action="extend", help="watch only these folders")
    parser.add_argument("--state-dir", metavar="DIR", help="keep the index here")
    parser.add_argument("--socket", metavar="PATH", help="listen here")
    parser.add_argument("--model", metavar="NAME", help='"mini", an open_clip name, or "local-dir:/path"')
    parser.add_argument("--log-level", choices=logs.LEVELS, help="what to log")
    parser.add_argument(
        "--rebuild", action="store_true", help="discard what the index has of this model, and embed every photo again"
    )
    parser.add_argument("--version", action="version", version=f"phsearchd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands, instead of running")
    install = commands.add_parser("install", help="run as a service of your systemd, from every login on")
    install.add_argument("--now", action="store_true", help="start at once")
    install.add_argument(
        "--root", dest="folders", metavar="DIR", nargs="+", action="extend", help="watch these folders"
    )
    uninstall = commands.add_parser("uninstall", help="remove the service")
    uninstall.add_argument("--purge", action="store_true", help="also remove the index and the settings")
    uninstall.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _run_installer(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    from phsearch.installer.install import install  # noqa: PLC0415 - the daemon does not need it
    from phsearch.installer.uninstall import uninstall  # noqa: PLC0415

    def print_line(line: str) -> None:
        sys.stdout.write(escape_control_chars(f"{line}\n"))

    try:
        if options.command == "install":
            install(options.folders or (), env, print_line, now=options.now)
        else:
            uninstall(env, print_line, purge=options.purge, yes=options.yes)
    except PhsearchError as error:
        _print_error(error, env, None)
        return EX_CONFIG if isinstance(error, ConfigError) else EX_FAILED
    return 0


def _lock(state: StateFolder) -> int:
    """Create the state folder, lock it for the life of this process, and return the lock. Raise PhsearchError.

    Two writers would damage the index.
    """
    try:
        state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PhsearchError(
            f"cannot use the state directory {state.path}: {error.strerror}",
            "make it writable, or choose another with --state-dir",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise AlreadyRunningError(
            f"another phsearchd uses {state.path}", "stop it first, or choose another place with --state-dir"
        ) from None
    return lock


def _discard_model(index: Path, model: ModelConfig) -> None:
    from phsearch.adapters.store.model_tables import discard_model  # noqa: PLC0415 - see main

    discard_model(index, name=model.name, pretrained=model.pretrained)


def _print_error(error: PhsearchError, env: Mapping[str, str], listener: socket.socket | None) -> None:
    mark = logs.ERROR_MARK if logs.to_journal(env, sys.stderr) else ""
    sys.stderr.write(f"{mark}{one_line(f'phsearchd: {error.sentence()}')}\n")
    if listener is not None:
        from phsearch.service.rpc.listener import reject_waiting_clients  # noqa: PLC0415

        reject_waiting_clients(listener, error)


if __name__ == "__main__":
    main()
