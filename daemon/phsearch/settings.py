"""The settings as the daemon uses them: the file's, unless an option of the command line says otherwise.

They can be read again while the daemon runs; the options stay what they were.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch import config, paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from phsearch.config import Config, Places


@dataclass(frozen=True, slots=True)
class Settings:
    """One reading. `written` is the file alone; `options` says which option wins over which key of it."""

    config: Config
    places: Places
    written: Config
    options: Mapping[str, str]


class Source:
    """Where settings come from: a file and the options the daemon was started with."""

    def __init__(self, options: argparse.Namespace, env: Mapping[str, str]) -> None:
        self._options = options
        self._env = env
        self._file = Path(options.config).absolute() if options.config else paths.config_file(env)
        self._roots = tuple(str(paths.expand(root, env)) for root in options.root or ())

    def read(self) -> Settings:
        """Read them as they are now. Raises ConfigError naming file, key and remedy."""
        written = config.load(self._file, required=bool(self._options.config))
        settings, winning = written, {}
        if self._roots:
            settings, winning["roots"] = dataclasses.replace(settings, roots=self._roots), "--root"
        if name := self._options.model:
            winning["model.name"] = "--model"
            if name != settings.model.name:
                settings = dataclasses.replace(
                    settings, model=dataclasses.replace(settings.model, name=name, pretrained="")
                )
        if level := self._options.log_level:
            settings, winning["log.level"] = dataclasses.replace(settings, log=config.LogConfig(level)), "--log-level"
        return Settings(settings, self._places(settings), written, winning)

    def _places(self, settings: Config) -> Places:
        options, env = self._options, self._env
        roots = settings.roots or (str(paths.pictures_dir(env)),)
        return config.Places(
            state=paths.expand(options.state_dir, env) if options.state_dir else paths.state_dir(env),
            socket=paths.expand(options.socket, env) if options.socket else paths.socket_path(env),
            roots=tuple(str(paths.expand(root, env)) for root in roots),
        )
