"""`phsearchd`: options, settings, one daemon per state directory, and what the shell is told at the end.

Nothing heavy is imported until it is certain that the daemon will start.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from phsearch import __version__, config, logs, paths
from phsearch.adapters.modes import tighten
from phsearch.display import one_line
from phsearch.errors import AlreadyRunningError, ConfigError, PhsearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("phsearch")

EX_FAILED = 1
EX_CONFIG = 78


def main() -> NoReturn:
    """Run the daemon in the foreground until it is told to stop."""
    options = _parser().parse_args()
    env = os.environ
    try:
        settings = _settings(options, env)
        places = _places(options, settings, env)
        logs.configure(settings.log.level, env)
        lock = _lock(places.state)
        tighten(places.state)
        if options.rebuild:
            _discard_index(places.state)
        from phsearch import daemon  # noqa: PLC0415 - seconds of imports, wanted only by a daemon that will run

        status = daemon.run(settings, places, env)
        os.close(lock)
    except ConfigError as error:
        _complain(error)
        status = EX_CONFIG
    except PhsearchError as error:
        _complain(error)
        status = EX_FAILED
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
    parser.add_argument("--root", metavar="DIR", nargs="+", action="extend", help="watch these folders only")
    parser.add_argument("--state-dir", metavar="DIR", help="keep the index here")
    parser.add_argument("--socket", metavar="PATH", help="listen here")
    parser.add_argument("--model", metavar="NAME", help='"mini", an open_clip name, or "local-dir:/path"')
    parser.add_argument("--log-level", choices=logs.LEVELS, help="what to log")
    parser.add_argument("--rebuild", action="store_true", help="discard the index and embed every photo anew")
    parser.add_argument("--version", action="version", version=f"phsearchd {__version__}")
    return parser


def _settings(options: argparse.Namespace, env: Mapping[str, str]) -> config.Config:
    file = Path(options.config) if options.config else paths.config_file(env)
    settings = config.load(file, required=bool(options.config))
    if options.root:
        settings = dataclasses.replace(settings, roots=tuple(str(paths.expand(root, env)) for root in options.root))
    if options.model and options.model != settings.model.name:
        settings = dataclasses.replace(
            settings, model=dataclasses.replace(settings.model, name=options.model, pretrained="")
        )
    if options.log_level:
        settings = dataclasses.replace(settings, log=config.LogConfig(options.log_level))
    return settings


def _places(options: argparse.Namespace, settings: config.Config, env: Mapping[str, str]) -> config.Places:
    roots = settings.roots or (str(paths.pictures_dir(env)),)
    return config.Places(
        state=paths.expand(options.state_dir, env) if options.state_dir else paths.state_dir(env),
        socket=paths.expand(options.socket, env) if options.socket else paths.socket_path(env),
        roots=tuple(str(paths.expand(root, env)) for root in roots),
    )


def _lock(state: Path) -> int:
    """Create the state directory and lock it for the life of this process. Two writers would ruin the index."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PhsearchError(
            f"cannot use the state directory {state}: {error.strerror}",
            "make it writable, or choose another with --state-dir",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise AlreadyRunningError(
            f"another phsearchd uses {state}", "stop it first, or choose another place with --state-dir"
        ) from None
    return lock


def _discard_index(state: Path) -> None:
    from phsearch.adapters.store_lance import discard  # noqa: PLC0415 - see main

    discard(state / "index")


def _complain(error: PhsearchError) -> None:
    sys.stderr.write(one_line(f"phsearchd: {error.sentence()}") + "\n")


if __name__ == "__main__":
    main()
