"""config.toml at installation: made from the example with the given folders; an existing file is kept."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from phsearch import config, paths
from phsearch.errors import ConfigError, PhsearchError
from phsearch.installer import files
from phsearch.installer.files import write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_HEAD = "# phsearch: every setting with its default. Remove the # of what you change."
_KEY = re.compile(r"^(?=\w+ = )", re.MULTILINE)
_ROOTS = re.compile(r"^#roots = .*$", re.MULTILINE)


def ensure_config(file: Path, roots: Sequence[str], env: Mapping[str, str]) -> tuple[config.Config, bool]:
    """Make `file` unless it exists. Return the settings, and whether the file is new. Raise PhsearchError.

    An existing file is the user's: for other `roots` than its own, raise ConfigError and change nothing.
    """
    wanted = tuple(str(paths.expand(root, env)) for root in roots)
    settings = config.load(file)
    if not file.exists():
        write(file, example(wanted), 0o600)
        return config.load(file, required=True), True
    have = tuple(str(paths.expand(root, env)) for root in settings.roots)
    if wanted and set(wanted) != set(have):
        watched = ", ".join(have) or f"{paths.pictures_dir(env)}, the default"
        raise ConfigError(
            f"{file} exists already, and has other folders ({watched})",
            f"write {_line(wanted)} into it, and install without --root",
        )
    return settings, False


def example(roots: Sequence[str]) -> str:
    """Return the example's text with these folders. All else is commented out, so that defaults may improve."""
    _, _, rest = files.text("config.example.toml").partition("\n")
    text = f"{_HEAD}\n{_KEY.sub('#', rest)}"
    return _ROOTS.sub(lambda _: _line(roots), text, count=1) if roots else text


def _line(roots: Sequence[str]) -> str:
    for root in roots:
        try:
            root.encode()
        except UnicodeEncodeError:
            raise PhsearchError(f"{root!r} is not UTF-8, as TOML must be", "watch a folder above it") from None
    # A JSON string is a TOML string, except for one character that JSON does not escape.
    quoted = (json.dumps(root, ensure_ascii=False).replace("\x7f", "\\u007f") for root in roots)
    return f"roots = [{', '.join(quoted)}]"
