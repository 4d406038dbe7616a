"""`phsearchd install`: settings, units, and a service that starts at login.

Doing it again brings the units up to date, and keeps the settings.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch import paths
from phsearch.client import Client
from phsearch.errors import DaemonUnreachableError, PhsearchError
from phsearch.installer import files, units
from phsearch.installer.config_file import ensure_config
from phsearch.installer.files import make_folder, write
from phsearch.installer.systemctl import NoManagerError, Systemctl, user
from phsearch.installer.units import SANDBOX, SERVICE, SOCKET, TRIAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_START_SECONDS = 60.0
_LINES = 5
# What moves the places of paths.py and of the downloaded models; the service manager may not know of it.
_MOVING = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME")


@dataclass(frozen=True, slots=True)
class InstallPaths:
    """Where an installation's files are."""

    config: Path
    units: Path
    state: Path
    downloads: Path
    socket: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> InstallPaths:
        """Find them by the XDG directories of whoever asks."""
        file = paths.config_file(env)
        cache = Path(env.get("XDG_CACHE_HOME") or paths.home(env) / ".cache")
        return cls(
            config=file,
            units=file.parents[1] / "systemd" / "user",
            state=paths.state_dir(env),
            downloads=Path(env.get("HF_HOME") or cache / "huggingface"),
            socket=paths.socket_path({"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **env}),
        )


def install(roots: Sequence[str], env: Mapping[str, str], say: Callable[[str], None], *, now: bool) -> None:
    """Install, and start with `now`. Raises PhsearchError, NoManagerError where only the settings could be written."""
    _refuse_another_home(paths.home(env))
    places, command = InstallPaths.of(env), program(sys.argv[0])
    settings, new = ensure_config(places.config, roots, env)
    say(f"settings  {places.config} ({'new' if new else 'kept'})")
    watched = [paths.expand(root, env) for root in settings.roots] or [paths.pictures_dir(env)]
    for root in watched:
        say(f"photos    {root}{'' if root.is_dir() else ' (not there yet; it is watched as soon as it is)'}")
    try:
        manager = Systemctl.find(env)
    except NoManagerError as problem:
        raise NoManagerError(str(problem), _by_hand(command)) from None
    _refuse_temporary(Path(command[0]), watched)
    _refuse_a_rival(manager, places.socket)

    moved = {name: env[name] for name in _MOVING if env.get(name, "").startswith("/")}
    values = units.UnitValues(command, str(places.state), str(places.downloads), settings.service.memory_high, moved)
    for made in (places.state, places.downloads):
        make_folder(made)
    names = [SERVICE, SOCKET] + ([SANDBOX] if _sandboxed(manager, values, env) else [])
    texts = {name: units.render(files.text(f"systemd/{name}"), values) for name in names}
    for name in (SERVICE, SOCKET, SANDBOX):
        write_unit(places.units / name, texts.get(name))
    say(f"units     {places.units}/{SERVICE}, {SOCKET}")
    if SANDBOX not in names:
        say("          without their sandbox: this system lets no user have a view of the files of one's own")
    manager.run("daemon-reload")
    _check_found(manager, places.units / SERVICE)
    manager.run("enable", "--quiet", SERVICE, SOCKET)
    if now:
        _start(manager, places.socket, say)
    elif manager.active(SERVICE):
        say(f"running   as it was; `systemctl --user restart {SERVICE}` takes what is new")
    else:
        say("starts    at your next login; at once with `phsearchd install --now`")
    if not manager.lingers():
        say(f"on a server, so that it also runs while you are logged out:  loginctl enable-linger {user()}")
    if now:
        say('now ask:  phsearch-client "a dog in the snow"')


def program(argv0: str) -> tuple[str, ...]:
    """Give the command that runs this phsearchd: the script of pipx, uv or a venv, by the name it was called by."""
    called = shutil.which(argv0) if Path(argv0).name == "phsearchd" else None
    if called:
        return (os.path.abspath(called),)  # noqa: PTH100 - a link in ~/.local/bin outlives what it points at
    beside = Path(sys.executable).with_name("phsearchd")
    return (str(beside),) if beside.exists() else (sys.executable, "-P", "-m", "phsearch.daemon.main")


def write_unit(file: Path, text: str | None) -> None:
    """Write or, with None, remove a unit file of ours. Raises PhsearchError for one that is not ours."""
    if (file.exists() or file.is_symlink()) and not is_ours(file):
        raise PhsearchError(f"{file} is in the way: it is not a file of phsearch's", "move it away first")
    if text is None:
        file.unlink(missing_ok=True)
    else:
        write(file, text, 0o644)


def is_ours(file: Path) -> bool:
    """Tell whether a unit file is one that phsearch wrote, by its first line."""
    try:
        return file.is_file() and units.is_ours(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False


def _refuse_another_home(home: Path) -> None:
    try:
        owner = home.stat().st_uid
    except OSError as error:
        raise PhsearchError(f"cannot use the home directory {home}: {error.strerror}", "set HOME") from None
    if owner != os.getuid():
        raise PhsearchError(
            f"{home} does not belong to {user()}", "install as the user whose photos they are, without sudo"
        )


def _refuse_temporary(command: Path, watched: Sequence[Path]) -> None:
    remedies = {command: "install phsearch somewhere else, say with `uv tool install` or pipx"}
    remedies |= dict.fromkeys(watched, "keep the photos somewhere else")
    for path, remedy in remedies.items():
        if is_temporary_path(path):
            raise PhsearchError(f"the service has a /tmp of its own and would not see {path}", remedy)


def is_temporary_path(path: Path) -> bool:
    """Tell whether a path is one that a service with a /tmp of its own does not see."""
    return path.is_relative_to("/tmp") or path.is_relative_to("/var/tmp")  # noqa: S108 - nothing is written there


def _refuse_a_rival(manager: Systemctl, socket: Path) -> None:
    """Refuse beside a daemon that was started by hand: systemd would take its socket away, and its index is locked."""
    if manager.active(SOCKET) or manager.active(SERVICE):
        return
    try:
        with Client(socket, timeout=5) as client:
            pid = client.call("status")["pid"]
    except DaemonUnreachableError:
        return
    except PhsearchError:
        pid = "?"
    raise PhsearchError(f"a phsearchd runs already that systemd did not start (pid {pid})", "stop it first")


def _sandboxed(manager: Systemctl, values: units.UnitValues, env: Mapping[str, str]) -> bool:
    """Try the sandbox on a unit that does nothing: where no user may have namespaces, the service would not start."""
    runtime = Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    file = runtime / "systemd" / "user" / TRIAL
    write(file, units.probe_unit(units.render(files.text(f"systemd/{SANDBOX}"), values)), 0o644)
    try:
        manager.run("daemon-reload")
        return manager.run("start", TRIAL, check=False).returncode == 0
    finally:
        file.unlink()
        manager.run("reset-failed", TRIAL, check=False)


def _check_found(manager: Systemctl, file: Path) -> None:
    found = manager.show(SERVICE, "FragmentPath")
    if found != str(file):
        raise PhsearchError(
            f"the service manager does not look for units in {file.parent} (it finds {found or 'none'})",
            "install without XDG_CONFIG_HOME, or set it for systemd, too, in ~/.config/environment.d",
        )


def _start(manager: Systemctl, socket: Path, say: Callable[[str], None]) -> None:
    # Both at once: a socket cannot be started anew beneath a service that has it.
    manager.run("stop", SERVICE, SOCKET)
    manager.run("reset-failed", SERVICE, SOCKET, check=False)
    if manager.run("start", SOCKET, SERVICE, check=False).returncode:
        said = "".join(f"\n  {line}" for line in manager.journal(SERVICE, _LINES))
        reason = f"{manager.show(SERVICE, 'Result')}, exit status {manager.show(SERVICE, 'ExecMainStatus')}"
        raise PhsearchError(f"phsearchd did not start ({reason})", f"`journalctl --user -u phsearch` says more{said}")
    with Client(socket, timeout=_START_SECONDS) as client:
        status = client.call("status")
    say(f"running   pid {status['pid']}, and starts by itself at every login, or when you ask it something")


def _by_hand(command: Sequence[str]) -> str:
    line = " ".join(command)
    return f"run `{line}` yourself, or at boot by the line `@reboot {line}` in `crontab -e`; the settings are written"
