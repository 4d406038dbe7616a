"""Where files are: the XDG base directories, what the state folder holds, and what a typed path means.

The environment is an argument everywhere, so that a test or `make try` can use another one. A typed path is made
absolute and never resolved: the owner knows the library by the names in the settings. The kernel knows the current
folder only without links, so a shell's $PWD says by which name the owner entered it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.errors import NoHomeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

APP = "phsearch"
_URL = "file:"


class StateFolder:
    """The state folder of one daemon, and everything that phsearch makes in it. Anything else there is not ours.

    It is no dataclass, because the client imports this module for every query.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.index = path / "index"
        self.removed_roots_file = self.index / "removed.json"
        self.pause_file = path / "pause.json"
        self.sequence_file = path / "sequence.json"
        self.albums = path / "albums"
        self.albums_file = path / "albums.json"
        self.damaged_albums_file = path / "albums.damaged"
        self.calibrations = path / "calibrations"
        self.models = path / "models"
        self.model_choice_file = path / "model.json"
        self.torch_cache = path / "torch"
        self.runtime = path / "run"

    def entries(self) -> tuple[Path, ...]:
        """Return all that phsearch makes directly in the folder, whether it exists or not."""
        return (
            self.lock,
            self.index,
            self.pause_file,
            self.sequence_file,
            self.albums,
            self.albums_file,
            self.damaged_albums_file,
            self.calibrations,
            self.models,
            self.model_choice_file,
            self.torch_cache,
            self.runtime,
        )


def _base(env: Mapping[str, str], variable: str, default: str) -> Path:
    # By the XDG specification a relative path in these variables is ignored.
    value = env.get(variable, "")
    return Path(value) if value.startswith("/") else home(env) / default


def home(env: Mapping[str, str]) -> Path:
    """Return the user's home directory: HOME, else what the system has for the user. Raise NoHomeError.

    A path that is not absolute would mean another folder for each program.
    """
    hint = "set HOME to the absolute path of a folder that is yours"
    if value := env.get("HOME", ""):
        if not value.startswith("/"):
            raise NoHomeError(f'HOME is "{value}", which is no absolute path', hint)
        return Path(value)
    import pwd  # noqa: PLC0415 - rarely needed, and this module costs every query

    try:
        value = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        raise NoHomeError(f"HOME is not set, and the system knows no user {os.getuid()}", hint) from None
    if not value.startswith("/"):
        raise NoHomeError(f"HOME is not set, and the system knows no home of user {os.getuid()}", hint)
    return Path(value)


def config_file(env: Mapping[str, str]) -> Path:
    """Return the path of config.toml, which need not exist."""
    return _base(env, "XDG_CONFIG_HOME", ".config") / APP / "config.toml"


def state_dir(env: Mapping[str, str]) -> Path:
    """Return the path of the state folder, which need not exist."""
    return _base(env, "XDG_STATE_HOME", ".local/state") / APP


def model_cache(env: Mapping[str, str]) -> Path:
    """Return the folder of downloaded models, which need not exist."""
    own = env.get("HF_HOME", "")
    return Path(own) if own.startswith("/") else _base(env, "XDG_CACHE_HOME", ".cache") / "huggingface"


def socket_path(env: Mapping[str, str]) -> Path:
    """Return the path of the socket. Without a runtime directory (cron, su) it is in the state folder."""
    runtime = env.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return Path(runtime) / APP / f"{APP}.sock"
    return StateFolder(state_dir(env)).runtime / f"{APP}.sock"


def usual_sockets(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield where the daemon of this user may listen, the likeliest first.

    Its environment may have been another one than `env`. So it writes into the lock of its state folder where it
    listens.
    """
    usual, state = socket_path(env), StateFolder(state_dir(env))
    yield usual
    from phsearch.state_lock import read_holder  # noqa: PLC0415 - only if it is not at the usual place

    holder = read_holder(state.lock)
    recorded = (Path(holder.socket),) if holder is not None else ()
    session = Path("/run/user", str(os.getuid()))
    others = dict.fromkeys((*recorded, session / APP / f"{APP}.sock", state.runtime / f"{APP}.sock"))
    yield from (path for path in others if path != usual)


def pictures_dir(env: Mapping[str, str]) -> Path:
    """Return the user's Pictures folder: that of xdg-user-dirs, which may have a translated name, else ~/Pictures."""
    override = env.get("XDG_PICTURES_DIR", "")
    if override.startswith("/"):
        return Path(override)
    dirs = _base(env, "XDG_CONFIG_HOME", ".config") / "user-dirs.dirs"
    try:
        text = dirs.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError:
        text = ""
    found = re.search(r'^\s*XDG_PICTURES_DIR="([^"]+)"', text, re.MULTILINE)
    if found:
        value = found[1].replace("$HOME", str(home(env)), 1)
        # In xdg-user-dirs $HOME itself means that there is no such folder.
        if value.startswith("/") and Path(value) != home(env):
            return Path(value)
    return home(env) / "Pictures"


def describe_dangling_link(path: Path) -> str:
    """Return which link on the way to a path leads nowhere, as a clause; "" if none does."""
    for each in (path, *path.parents):
        if each.is_symlink() and not each.exists():
            return f"{each} is a link to {each.readlink()}, which is not there"
    return ""


def expand(path: str, env: Mapping[str, str]) -> Path:
    """Return a path of a user as an absolute one: `~` and `$VARIABLES` are replaced, symlinks are kept."""
    if path == "~" or path.startswith("~/"):
        path = str(home(env)) + path[1:]
    path = re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda m: env.get(m[1] or m[2], m[0]), path)
    return Path(os.path.abspath(path))  # noqa: PTH100 - abspath keeps the name as the user wrote it; resolve() would not


def working_folder(env: Mapping[str, str]) -> str:
    """Return the current folder, by the shell's name for it. Raises OSError if it was removed."""
    here = os.getcwd()  # noqa: PTH109 - pathlib costs a query more than its round trip
    named = env.get("PWD", "")
    if named == here or not named.startswith("/"):
        return here
    try:
        return os.path.normpath(named) if os.path.samefile(named, here) else here  # noqa: PTH121 - as above
    except OSError:
        return here


def absolute_path(typed: str, env: Mapping[str, str]) -> str:
    """Return a typed path as an absolute one. Raises OSError for a relative one in a folder that was removed."""
    path = expand_typed(typed, env.get("HOME", ""))
    return os.path.normpath(path if path.startswith("/") else f"{working_folder(env)}/{path}")


def expand_typed(typed: str, home: str) -> str:
    """Return a typed path without `file:` and with `~` and `~user` replaced; it may still be relative."""
    if typed.startswith(_URL):
        from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - only for a URL

        path = typed.removeprefix(_URL)
        if path.startswith("//"):  # a host may follow: none, or this one
            path = "/" + path.removeprefix("//").partition("/")[2]
        return os.fsdecode(unquote_to_bytes(os.fsencode(path))) if path.startswith("/") else typed
    if home and (typed == "~" or typed.startswith("~/")):
        return home.rstrip("/") + typed[1:]
    return os.path.expanduser(typed) if typed.startswith("~") else typed  # noqa: PTH111 - as above
