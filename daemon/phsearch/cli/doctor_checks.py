"""What a client sees by itself, and what the daemon says of itself, as one list of checks.

A disk or a daemon that does not answer becomes a line: each question has a thread of its own and a time-out.
"""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phsearch import __version__, paths
from phsearch import config as settings
from phsearch.cli import probes
from phsearch.domain.doctor import Check, State, contact_checks, fail, file_checks, systemd_checks, warn
from phsearch.domain.doctor.contact_checks import DaemonProbe, Versions
from phsearch.errors import AnswerTimeoutError, ConfigError, PhsearchError, RemoteError
from phsearch.paths import StateFolder
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.client import Client

_SECONDS = 2.0
"""How long a disk has for its answer."""


class DoctorRun:
    """One run of the doctor."""

    def __init__(self, client: Client, env: Mapping[str, str], uid: int | None = None) -> None:
        self._client = client
        self._env = env
        self._uid = os.getuid() if uid is None else uid
        self._socket = os.path.abspath(client.path)  # noqa: PTH100 - a string is all there is
        self._known: dict[str, Any] = {}

    def checks(self) -> Iterator[Check]:
        """Look at everything, in the order of a start."""
        contact = self._reachability()
        said = self._said(contact)
        own = Versions(__version__, PROTOCOL, platform.python_version())
        yield contact_checks.versions(own, self._daemon_version(contact, said))
        yield self._config()
        yield file_checks.private_folder("socket folder", self._file_info(os.path.dirname(self._socket)), self._uid)  # noqa: PTH120
        if (check := file_checks.socket(self._file_info(self._socket), self._uid)) is not None:
            yield check
        yield contact_checks.daemon(contact)
        state = said.get("state") or str(paths.state_dir(self._env))
        yield from self._state(state, contact)
        yield from self._unit(contact)
        if said:
            yield from (_check(each) for each in said.get("checks", []))
        else:
            yield self._space(state)
            yield from self._roots()
        if (problem := self._known.get("problem")) is not None:
            yield problem

    # --- the daemon -------------------------------------------------------------------------------------------

    def _reachability(self) -> DaemonProbe:
        contact = probes.connect_probe(self._socket, _SECONDS)
        if contact.result != "answered":
            return contact
        try:
            with probes.Timer() as timer:
                self._known["status"] = self._client.call("status")
        except AnswerTimeoutError:
            lock = StateFolder(paths.state_dir(self._env)).lock
            holder = probes.with_timeout(_SECONDS, lambda: probes.lock_holder(lock)) if contact.activated else None
            pid = holder if isinstance(holder, int) else contact.pid
            return replace(contact, result="silent", seconds=self._client.timeout, pid=pid, stopped=probes.stopped(pid))
        except PhsearchError as problem:
            return replace(contact, result="other", problem=str(problem), hint=problem.hint)
        return replace(contact, seconds=timer.seconds, pid=self._known["status"]["pid"])

    def _daemon_version(self, contact: DaemonProbe, said: Mapping[str, Any]) -> Versions | None:
        if contact.result != "answered":
            return None
        status = self._known["status"]
        return Versions(status["version"], status["protocol"], said.get("python", ""))

    def _said(self, contact: DaemonProbe) -> dict[str, Any]:
        """Give what the daemon says of itself; nothing where it cannot."""
        if contact.result != "answered":
            return {}
        try:
            found: dict[str, Any] = self._client.call("doctor")
        except RemoteError as problem:
            text = f"the daemon cannot look at itself: {problem}"
            if problem.kind == "MethodNotFound":
                text = "the daemon is too old to look at itself"
            self._known["problem"] = warn("daemon", text, "systemctl --user restart phsearch, after an upgrade of it")
            return {}
        except PhsearchError as problem:
            text = f"the daemon did not look at itself: {problem}"
            self._known["problem"] = fail("daemon", text, problem.hint or contact_checks.START)
            return {}
        return found

    # --- files and folders ------------------------------------------------------------------------------------

    def _file_info(self, path: str) -> file_checks.FileInfo:
        found = probes.with_timeout(_SECONDS, lambda: probes.file_info(path))
        return found if isinstance(found, file_checks.FileInfo) else file_checks.FileInfo(path, problem=_words(found))

    def _config(self) -> Check:
        file = paths.config_file(self._env)
        entry = self._file_info(str(file))
        if entry.kind == "absent" or entry.problem:
            return file_checks.config(entry, self._uid)
        loaded = probes.with_timeout(_SECONDS, lambda: settings.load(file))
        match loaded:
            case settings.Config():
                self._known["config"] = loaded
                return file_checks.config(entry, self._uid)
            case ConfigError():
                return file_checks.config(entry, self._uid, str(loaded), loaded.hint)
            case _:
                return file_checks.config(replace(entry, problem=_words(loaded)), self._uid)

    def _state(self, state: str, contact: DaemonProbe) -> Iterator[Check]:
        entry = self._file_info(state)
        yield file_checks.private_folder("state folder", entry, self._uid)
        if entry.kind == "folder":
            lock = StateFolder(Path(state)).lock
            holder = probes.with_timeout(_SECONDS, lambda: probes.lock_holder(lock))
            yield contact_checks.lock(state, holder if isinstance(holder, int) else None, contact)

    def _space(self, state: str) -> Check:
        # Where the folder is not there yet, it is about the disk it will be on.
        found = probes.with_timeout(_SECONDS, lambda: probes.space(Path(state)))
        if isinstance(found, file_checks.Space):
            return file_checks.space("disk", found)
        return fail("disk", f"{state}: {_words(found)}", f"findmnt --target {state}")

    def _roots(self) -> Iterator[Check]:
        config = self._known.get("config", settings.Config())
        chosen = config.roots or (str(paths.pictures_dir(self._env)),)
        for root in (str(paths.expand(each, self._env)) for each in chosen):
            listed = probes.with_timeout(_SECONDS, lambda root=root: probes.listed(root))  # type: ignore[misc]
            readable = listed is True
            entry = self._file_info(root)
            if isinstance(listed, TimeoutError):
                entry = file_checks.FileInfo(root, problem=_words(listed))
            yield file_checks.root(entry, readable=readable)

    # --- systemd ----------------------------------------------------------------------------------------------

    def _unit(self, contact: DaemonProbe) -> Iterator[Check]:
        if not probes.systemd():
            yield Check("unit", "ok", "there is no systemd here: phsearchd is started by hand")
            return
        shown, problem = probes.shown("systemctl", "--user", "show", systemd_checks.UNIT, *systemd_checks.PROPERTIES)
        program = probes.program(*systemd_checks.command(shown.get("ExecStart", "")))
        answered = contact.result == "answered"
        yield systemd_checks.unit(shown, problem, program, answered=answered)
        if shown.get("LoadState") == "loaded":
            user, unknown = probes.shown("loginctl", "show-user", str(self._uid), "Linger", "Display")
            if "not logged in or lingering" in unknown:  # cron, or a container without logind's sessions
                user = {"Linger": "no"}
            graphical = bool(self._env.get("DISPLAY") or self._env.get("WAYLAND_DISPLAY"))
            if (check := systemd_checks.linger(user, graphical=graphical)) is not None:
                yield check


def _check(said: Any) -> Check:
    """Take a check from the wire; a newer daemon may know states that we do not."""
    state: State = said["state"] if said["state"] in {"ok", "warn", "fail"} else "warn"
    return Check(said["name"], state, said["text"], said["remedy"] or ("" if state == "ok" else contact_checks.START))


def _words(problem: Any) -> str:
    match problem:
        case TimeoutError():
            return f"it did not answer within {_SECONDS:g} s"
        case OSError():
            return (problem.strerror or str(problem)).lower()
        case _:
            return str(problem)
