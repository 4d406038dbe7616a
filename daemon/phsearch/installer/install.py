"""`phsearchd install`: settings, man pages, units, and a service that starts at login.

To install again updates the units and keeps the settings.
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
from phsearch.installer.bytecode import compile_libraries
from phsearch.installer.config_file import ensure_config
from phsearch.installer.files import make_folder, write
from phsearch.installer.systemctl import NoManagerError, Systemctl, user
from phsearch.installer.units import SANDBOX, SERVICE, SOCKET, TRIAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAN_PAGES = ("man1/phsearch-client.1", "man1/phsearchd.1", "man5/phsearch-config.5")
_START_SECONDS = 60.0
_JOURNAL_LINES = 5
# They move the paths of paths.py and of downloaded models. The service manager may not have them.
_PATH_VARIABLES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_HUB_VARIABLES = ("HF_ENDPOINT", "HF_HUB_OFFLINE", *_PROXIES, *map(str.lower, _PROXIES))
"""How a model is downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPaths:
    """The paths of an installation."""

    config: Path
    man: Path
    units: Path
    state: Path
    downloads: Path
    socket: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> InstallPaths:
        """Return the paths for the XDG directories of this user."""
        file = paths.config_file(env)
        return cls(
            config=file,
            # Not below XDG_DATA_HOME: man finds this folder by ~/.local/bin in PATH.
            man=paths.home(env) / ".local" / "share" / "man",
            units=file.parents[1] / "systemd" / "user",
            state=paths.state_dir(env),
            downloads=paths.model_cache(env),
            socket=paths.socket_path({"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **env}),
        )


def install(roots: Sequence[str], env: Mapping[str, str], print_line: Callable[[str], None], *, now: bool) -> None:
    """Install the service, and start it with `now`.

    Raise PhsearchError; NoManagerError where only the settings and the man pages could be written.
    """
    _check_home(paths.home(env))
    install_paths, command = InstallPaths.of(env), daemon_command(sys.argv[0])
    settings, new = ensure_config(install_paths.config, roots, env)
    print_line(f"settings  {install_paths.config} ({'new' if new else 'kept'})")
    watched = [paths.expand(root, env) for root in settings.roots] or [paths.pictures_dir(env)]
    for root in watched:
        print_line(f"photos    {root}{'' if root.is_dir() else ' (not there yet; it is watched as soon as it is)'}")
    _write_man_pages(install_paths.man, print_line)
    compile_libraries(print_line)
    try:
        manager = Systemctl.find(env)
    except NoManagerError as problem:
        raise NoManagerError(str(problem), _manual_start_hint(command)) from None
    _refuse_temporary(Path(command[0]), watched)
    _refuse_running_daemon(manager, install_paths.socket)

    values = units.UnitValues(
        command=command,
        state=str(install_paths.state),
        downloads=str(install_paths.downloads),
        memory_high=settings.service.memory_high,
        env=kept_environment(env),
    )
    for made in (install_paths.state, install_paths.downloads):
        make_folder(made)
    names = [SERVICE, SOCKET] + ([SANDBOX] if _sandbox_works(manager, values, env) else [])
    texts = {name: units.render(files.text(f"systemd/{name}"), values) for name in names}
    for name in (SERVICE, SOCKET, SANDBOX):
        write_owned(install_paths.units / name, texts.get(name))
    print_line(f"units     {install_paths.units}/{SERVICE}, {SOCKET}")
    if SANDBOX not in names:
        print_line("          without their sandbox: this system lets no user have a private view of the file system")
    manager.run("daemon-reload")
    _check_unit_found(manager, install_paths.units / SERVICE)
    manager.run("enable", "--quiet", SERVICE, SOCKET)
    if now:
        _start(manager, install_paths.socket, print_line)
    elif manager.active(SERVICE):
        print_line(f"running   unchanged; `systemctl --user restart {SERVICE}` applies the new units and settings")
    else:
        print_line("starts    at your next login; at once with `phsearchd install --now`")
    if not manager.lingers():
        print_line(f"on a server, so that it also runs while you are logged out:  loginctl enable-linger {user()}")
    if now:
        print_line('now ask:  phsearch-client "a dog in the snow"')


def daemon_command(argv0: str) -> tuple[str, ...]:
    """Return the command that runs this phsearchd: the script of pipx, uv or a venv, under the name that was called."""
    called = shutil.which(argv0) if Path(argv0).name == "phsearchd" else None
    if called:
        return (os.path.abspath(called),)  # noqa: PTH100 - a link in ~/.local/bin outlives its target
    beside = Path(sys.executable).with_name("phsearchd")
    return (str(beside),) if beside.exists() else (sys.executable, "-P", "-m", "phsearch.daemon.program")


def write_owned(file: Path, text: str | None) -> None:
    """Write a unit or a man page, or remove it if `text` is None. Raise PhsearchError for a file that is not ours."""
    if (file.exists() or file.is_symlink()) and not is_ours(file):
        raise PhsearchError(f"{file} is in the way: it is not a file of phsearch", "move it away first")
    if text is None:
        file.unlink(missing_ok=True)
    else:
        write(file, text, 0o644)


def is_ours(file: Path) -> bool:
    """Whether phsearch wrote a unit or a man page, by its first line."""
    try:
        return file.is_file() and units.is_ours(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False


def _write_man_pages(folder: Path, print_line: Callable[[str], None]) -> None:
    for page in MAN_PAGES:
        write_owned(folder / page, files.text(f"man/{page}"))
    print_line(f"man pages {folder}")


def _check_home(home: Path) -> None:
    try:
        owner = home.stat().st_uid
    except OSError as error:
        raise PhsearchError(f"cannot use the home directory {home}: {error.strerror}", "set HOME") from None
    if owner != os.getuid():
        raise PhsearchError(
            f"{home} does not belong to {user()}", "install as the user whose photos they are, without sudo"
        )


def kept_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return what the daemon is to have of the environment of its installation. A proxy's password is not written."""
    paths_of_owner = {name: env[name] for name in _PATH_VARIABLES if env.get(name, "").startswith("/")}
    return paths_of_owner | {name: env[name] for name in _HUB_VARIABLES if env.get(name) and "@" not in env[name]}


def _refuse_temporary(command: Path, watched: Sequence[Path]) -> None:
    remedies = {command: "install phsearch somewhere else, for example with `uv tool install` or pipx"}
    remedies |= dict.fromkeys(watched, "keep the photos somewhere else")
    for path, remedy in remedies.items():
        if is_temporary_path(path):
            raise PhsearchError(f"the service has a private /tmp and would not see {path}", remedy)


def is_temporary_path(path: Path) -> bool:
    """Whether a path is hidden from a service with a private /tmp."""
    return path.is_relative_to("/tmp") or path.is_relative_to("/var/tmp")  # noqa: S108 - nothing is written there


def _refuse_running_daemon(manager: Systemctl, socket: Path) -> None:
    """Raise PhsearchError beside a daemon started by hand: systemd would take its socket, and its index is locked."""
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


def _sandbox_works(manager: Systemctl, values: units.UnitValues, env: Mapping[str, str]) -> bool:
    """Whether a unit that does nothing starts in the sandbox. Where users have no namespaces it does not."""
    runtime = Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    file = runtime / "systemd" / "user" / TRIAL
    write(file, units.probe_unit(units.render(files.text(f"systemd/{SANDBOX}"), values)), 0o644)
    try:
        manager.run("daemon-reload")
        return manager.run("start", TRIAL, check=False).returncode == 0
    finally:
        file.unlink()
        manager.run("reset-failed", TRIAL, check=False)


def _check_unit_found(manager: Systemctl, file: Path) -> None:
    found = manager.show(SERVICE, "FragmentPath")
    if found != str(file):
        raise PhsearchError(
            f"the service manager does not look for units in {file.parent} (it finds {found or 'none'})",
            "install without XDG_CONFIG_HOME, or set it for systemd, too, in ~/.config/environment.d",
        )


def _start(manager: Systemctl, socket: Path, print_line: Callable[[str], None]) -> None:
    # Stop both: a socket cannot be restarted while a service has it.
    manager.run("stop", SERVICE, SOCKET)
    manager.run("reset-failed", SERVICE, SOCKET, check=False)
    if manager.run("start", SOCKET, SERVICE, check=False).returncode:
        log = "".join(f"\n  {line}" for line in manager.journal(SERVICE, _JOURNAL_LINES))
        reason = f"{manager.show(SERVICE, 'Result')}, exit status {manager.show(SERVICE, 'ExecMainStatus')}"
        raise PhsearchError(f"phsearchd did not start ({reason})", f"`journalctl --user -u phsearch` says more{log}")
    with Client(socket, timeout=_START_SECONDS) as client:
        status = client.call("status")
    print_line(f"running   pid {status['pid']}; it starts at every login, and when a client connects")


def _manual_start_hint(command: Sequence[str]) -> str:
    line = " ".join(command)
    return f"run `{line}` yourself, or at boot by the line `@reboot {line}` in `crontab -e`; the settings are written"
