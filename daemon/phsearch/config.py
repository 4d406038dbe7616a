"""The settings: a frozen `Config`, read from TOML. The error for a mistake names file, key and remedy.

The dataclasses are the one list of keys and defaults. config.example.toml repeats it for people, and a test compares
the two. `ConfigSource` adds the options of the daemon's command line, which win over the file. The file can be read
again while the daemon runs; the options stay.
"""

from __future__ import annotations

import codecs
import dataclasses
import difflib
import os
import re
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch import paths
from phsearch.errors import ConfigError, remedy_of
from phsearch.paths import StateFolder

if TYPE_CHECKING:
    from collections.abc import Mapping


_DEVICES = ("auto", "cpu", "cuda", "intel-gpu", "npu")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The CLIP model, and the device it runs on."""

    name: str = "mini"
    pretrained: str = ""
    device: str = "auto"
    precision: str = "auto"
    batch_size: int = 0
    gpu_memory_mb: int = 0
    keep_days: float = 30.0

    def check(self) -> None:
        """Raise ConfigError for values that no model loader can use."""
        _require("model.name", bool(self.name.strip()), 'must name a model, e.g. "mini"')
        _one_of("model.precision", self.precision, ("auto", "fp32", "bf16", "fp16"))
        device_ok = self.device in _DEVICES or self.device.startswith("cuda:")
        _require("model.device", device_ok, 'must be "auto", "cpu", "cuda", "cuda:N", "intel-gpu" or "npu"')
        _within("model.batch_size", self.batch_size, 0, 4096)
        _within("model.gpu_memory_mb", self.gpu_memory_mb, 0, 1 << 30)
        _within("model.keep_days", self.keep_days, 0, 365 * 100)


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Which files are photos of the library, and when they are read."""

    ignore: tuple[str, ...] = ()
    hidden: bool = False
    follow_symlinks: bool = False
    min_bytes: int = 0
    settle_seconds: float = 1.0
    rescan_minutes: float = 60.0
    disk_seconds: float = 30.0
    brake_share: float = 0.3
    brake_photos: int = 50
    poll_minutes: float = 5.0
    removed_roots: str = "forget"
    grace_days: float = 30.0

    def check(self) -> None:
        """Raise ConfigError for values out of range."""
        _within("watch.min_bytes", self.min_bytes, 0, 1 << 40)
        _within("watch.settle_seconds", self.settle_seconds, 0.05, 3600)
        _within("watch.rescan_minutes", self.rescan_minutes, 0.05, 60 * 24 * 365)
        _within("watch.disk_seconds", self.disk_seconds, 1, 3600)
        _within("watch.brake_share", self.brake_share, 0, 1)
        _within("watch.brake_photos", self.brake_photos, 1, 1 << 40)
        _within("watch.poll_minutes", self.poll_minutes, 0.01, 60 * 24 * 365)
        _one_of("watch.removed_roots", self.removed_roots, ("forget", "keep"))
        _within("watch.grace_days", self.grace_days, 0, 365 * 100)


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """How photos are read and embedded."""

    decode_threads: int = 0
    keep_alive_seconds: float = 300.0
    max_megapixels: float = 250.0
    photo_seconds: float = 60.0
    worker_memory_mb: int = 0

    def check(self) -> None:
        """Raise ConfigError for values out of range."""
        _within("index.decode_threads", self.decode_threads, 0, 256)
        _within("index.keep_alive_seconds", self.keep_alive_seconds, 0, 60 * 60 * 24 * 365)
        _within("index.max_megapixels", self.max_megapixels, 1, 100_000)
        _within("index.photo_seconds", self.photo_seconds, 1, 3600)
        _within("index.worker_memory_mb", self.worker_memory_mb, 0, 1 << 30)


@dataclass(frozen=True, slots=True)
class QueryConfig:
    """How the words of queries are embedded."""

    keep_alive_seconds: float = 300.0

    def check(self) -> None:
        """Raise ConfigError for values out of range."""
        _within("query.keep_alive_seconds", self.keep_alive_seconds, 0, 60 * 60 * 24 * 365)


@dataclass(frozen=True, slots=True)
class CourtesyConfig:
    """When indexing is throttled. Searching never is."""

    on_battery: str = "throttle"
    low_battery: int = 20
    memory_pressure: float = 10.0
    io_pressure: float = 40.0
    share: float = 0.25

    def check(self) -> None:
        """Raise ConfigError for unknown words and values out of range."""
        _one_of("courtesy.on_battery", self.on_battery, ("throttle", "pause", "run"))
        _within("courtesy.low_battery", self.low_battery, 0, 100)
        _within("courtesy.memory_pressure", self.memory_pressure, 0, 100)
        _within("courtesy.io_pressure", self.io_pressure, 0, 100)
        _within("courtesy.share", self.share, 0.01, 1)


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """What `phsearchd install` writes into the unit."""

    memory_high: str = ""

    def check(self) -> None:
        """Raise ConfigError for text that systemd does not read as an amount of memory."""
        amount = re.fullmatch(r"(\d+(\.\d+)?[KMGT]?|\d{1,2}%|100%)?", self.memory_high)
        _require("service.memory_high", amount is not None, 'must be an amount such as "2G" or "25%", or ""')


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What the daemon logs."""

    level: str = "info"

    def check(self) -> None:
        """Raise ConfigError for an unknown level."""
        _one_of("log.level", self.level, ("debug", "info", "warning", "error"))


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Empty `roots` mean the XDG Pictures folder."""

    roots: tuple[str, ...] = ()
    model: ModelConfig = field(default_factory=ModelConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    query: QueryConfig = field(default_factory=QueryConfig)
    courtesy: CourtesyConfig = field(default_factory=CourtesyConfig)
    service: ServiceConfig = field(default_factory=ServiceConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def check(self) -> None:
        """Raise ConfigError for roots that are no paths. A root need not exist: then it is shown as offline."""
        for root in self.roots:
            _require("roots", root.startswith(("/", "~", "$")), f'"{root}" must be an absolute path or start with "~"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The state folder, socket and watched folders of one daemon."""

    state: StateFolder
    socket: Path
    roots: tuple[str, ...]


def load(file: Path, *, required: bool = False) -> Config:
    """Return the settings in `file`. A missing file means the defaults, unless it is `required`.

    Raise ConfigError that names file, key and remedy.
    """
    try:
        text = _decode(file.read_bytes())
    except FileNotFoundError:
        if lost := paths.describe_dangling_link(file):
            remedy = "mount what it leads to, or make it a file"
            raise ConfigError(f"the settings cannot be read: {lost}", remedy) from None
        if required:
            raise ConfigError(
                f"{file}: no such file", "give an existing file to --config, or leave the option out"
            ) from None
        return Config()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: {error.reason}", "save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", remedy_of(error.errno, "make it a readable file")) from None
    try:
        return parse(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}", "see config.example.toml for the form") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}", error.hint) from None


def _decode(data: bytes) -> str:
    """Return the text of a file, without the mark that editors of Windows begin it with. Raise UnicodeDecodeError."""
    # With its mark, or without one before a first character of ASCII.
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or data[:2].count(0) == 1:
        raise UnicodeDecodeError("utf-8", data, 0, 1, "it is UTF-16 text, and TOML is UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        error.reason = f"not UTF-8 text (line {line})"
        raise


def parse(data: Mapping[str, Any]) -> Config:
    """Return the checked Config of parsed TOML. Raise ConfigError."""
    config: Config = _build(Config, data, "")
    return config


def _build(cls: type[Any], data: Mapping[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(cls)
    for key in data:
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            remedy = f'did you mean "{prefix}{near[0]}"?' if near else f"known here: {', '.join(sorted(hints))}"
            raise ConfigError(f'unknown key "{prefix}{key}"', remedy)
    built = cls(**{key: _value(hints[key], value, f"{prefix}{key}") for key, value in data.items()})
    built.check()
    return built


def _value(kind: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(kind):
        _require(key, isinstance(value, dict), f"must be a table: [{key}]")
        return _build(typing.cast("type[Any]", kind), value, f"{key}.")
    if isinstance(kind, types.GenericAlias):  # tuple[str, ...]
        strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
        _require(key, strings, 'must be a list of strings, e.g. ["~/Pictures"]')
        return tuple(value)
    if kind is float:
        _require(key, isinstance(value, int | float) and not isinstance(value, bool), "must be a number")
        return float(value)
    name = {bool: "true or false", int: "a whole number", str: 'a string in "quotes"'}[kind]
    _require(key, type(value) is kind, f"must be {name}")
    return value


def _require(key: str, ok: bool, remedy: str) -> None:  # noqa: FBT001 - the condition is the point
    if not ok:
        raise ConfigError(f'bad value for "{key}"', remedy)


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    _require(key, value in allowed, f"must be one of {', '.join(allowed)}")


def _within(key: str, value: float, low: float, high: float) -> None:
    _require(key, low <= value <= high, f"must be between {low} and {high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings at one time. `written` is the file alone; `options` maps keys to the options that win over them."""

    config: Config
    paths: Paths
    written: Config
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonOptions:
    """The options of the daemon's command line."""

    config: str | None = None
    root: tuple[str, ...] = ()
    state_dir: str | None = None
    socket: str | None = None
    model: str | None = None
    log_level: str | None = None
    rebuild: bool = False


class ConfigSource:
    """The sources of the settings: a file, and the options of the daemon's command line."""

    def __init__(self, options: DaemonOptions, env: Mapping[str, str]) -> None:
        self._options = options
        self._env = env
        self._file = Path(options.config).absolute() if options.config else paths.config_file(env)
        self._roots = tuple(_expand_root("--root", root, env) for root in options.root)

    def read(self) -> Settings:
        """Return the settings as they are now. Raise ConfigError that names file, key and remedy."""
        written = load(self._file, required=bool(self._options.config))
        settings, winning = written, {}
        if self._roots:
            settings, winning["roots"] = dataclasses.replace(settings, roots=self._roots), "--root"
        if name := self._options.model:
            winning["model.name"] = "--model"
            if name != settings.model.name:
                settings = dataclasses.replace(
                    settings, model=dataclasses.replace(settings.model, name=name, pretrained="")
                )
        settings = dataclasses.replace(settings, model=_own_weights(settings.model))
        if level := self._options.log_level:
            settings, winning["log.level"] = dataclasses.replace(settings, log=LogConfig(level)), "--log-level"
        return Settings(config=settings, paths=self._paths(settings), written=written, options=winning)

    def _paths(self, settings: Config) -> Paths:
        options, env = self._options, self._env
        roots = settings.roots or (str(paths.pictures_dir(env)),)
        return Paths(
            state=StateFolder(paths.expand(options.state_dir, env) if options.state_dir else paths.state_dir(env)),
            socket=paths.expand(options.socket, env) if options.socket else paths.socket_path(env),
            roots=tuple(_expand_root("roots", root, env) for root in roots),
        )


def _own_weights(model: ModelConfig) -> ModelConfig:
    """Return the settings of a model without `pretrained` where the name says already which weights it has."""
    if not model.pretrained or not (model.name == ModelConfig().name or model.name.startswith("local-dir:")):
        return model
    return dataclasses.replace(model, pretrained="")


def _expand_root(key: str, root: str, env: Mapping[str, str]) -> str:
    """Return a root as an absolute path. Raise ConfigError for one that is half understood, unless it exists so."""
    expanded = str(paths.expand(root, env))
    unset = re.search(r"\$(\w+)|\$\{(\w+)\}", expanded)
    if root.startswith("~") and root != "~" and not root.startswith("~/"):
        problem = f'"{root}": "~" stands for your own folder only, write the whole path'
    elif unset and not os.path.lexists(expanded):
        problem = f'"{root}": the variable {unset[0]} is not set, write the whole path'
    elif expanded != expanded.rstrip() and not os.path.lexists(expanded):
        problem = f'"{root}" ends with a blank, and there is no such folder'
    else:
        return expanded
    raise ConfigError(f'bad value for "{key}"', problem)
