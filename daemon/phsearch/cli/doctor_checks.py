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
from phsearch.cli import probes as looks
from phsearch.domain.doctor import Check, State, failed, wrong
from phsearch.domain.doctor import contact_checks as running
from phsearch.domain.doctor import file_checks as places
from phsearch.domain.doctor import systemd_checks as unit
from phsearch.domain.doctor.contact_checks import Contact, Versions
from phsearch.errors import AnswerTimeoutError, ConfigError, PhsearchError, RemoteError
from phsearch.wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.client import Client

_SECONDS = 2.0
"""How long a disk has for its answer."""


class Examination:
    """One run of the doctor."""

    def __init__(self, client: Client, env: Mapping[str, str], uid: int | None = None) -> None:
        self._client = client
        self._env = env
        self._uid = os.getuid() if uid is None else uid
        self._socket = os.path.abspath(client.path)  # noqa: PTH100 - a string is all there is
        self._known: dict[str, Any] = {}

    def checks(self) -> Iterator[Check]:
        """Look at everything, in the order of a start."""
        contact = self._reached()
        said = self._said(contact)
        own = Versions(__version__, PROTOCOL, platform.python_version())
        yield running.versions(own, self._daemon_version(contact, said))
        yield self._config()
        yield places.private_folder("socket folder", self._entry(os.path.dirname(self._socket)), self._uid)  # noqa: PTH120
        if (check := places.socket(self._entry(self._socket), self._uid)) is not None:
            yield check
        yield running.daemon(contact)
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

    def _reached(self) -> Contact:
        contact = looks.knock(self._socket, _SECONDS)
        if contact.outcome != "answered":
            return contact
        try:
            with looks.Timer() as timer:
                self._known["status"] = self._client.call("status")
        except AnswerTimeoutError:
            lock = os.path.join(paths.state_dir(self._env), "lock")  # noqa: PTH118 - a string is all there is
            holder = looks.within(_SECONDS, lambda: looks.lock_holder(lock)) if contact.activated else None
            pid = holder if isinstance(holder, int) else contact.pid
            return replace(contact, outcome="silent", seconds=self._client.timeout, pid=pid, stopped=looks.stopped(pid))
        except PhsearchError as problem:
            return replace(contact, outcome="other", problem=str(problem), hint=problem.hint)
        return replace(contact, seconds=timer.seconds, pid=self._known["status"]["pid"])

    def _daemon_version(self, contact: Contact, said: Mapping[str, Any]) -> Versions | None:
        if contact.outcome != "answered":
            return None
        status = self._known["status"]
        return Versions(status["version"], status["protocol"], said.get("python", ""))

    def _said(self, contact: Contact) -> dict[str, Any]:
        """Give what the daemon says of itself; nothing where it cannot."""
        if contact.outcome != "answered":
            return {}
        try:
            found: dict[str, Any] = self._client.call("doctor")
        except RemoteError as problem:
            text = f"the daemon cannot look at itself: {problem}"
            if problem.kind == "MethodNotFound":
                text = "the daemon is too old to look at itself"
            self._known["problem"] = wrong("daemon", text, "systemctl --user restart phsearch, after an upgrade of it")
            return {}
        except PhsearchError as problem:
            text = f"the daemon did not look at itself: {problem}"
            self._known["problem"] = failed("daemon", text, problem.hint or running.START)
            return {}
        return found

    # --- files and folders ------------------------------------------------------------------------------------

    def _entry(self, path: str) -> places.Entry:
        found = looks.within(_SECONDS, lambda: looks.entry(path))
        return found if isinstance(found, places.Entry) else places.Entry(path, problem=_words(found))

    def _config(self) -> Check:
        file = paths.config_file(self._env)
        entry = self._entry(str(file))
        if entry.kind == "absent" or entry.problem:
            return places.config(entry, self._uid)
        loaded = looks.within(_SECONDS, lambda: settings.load(file))
        match loaded:
            case settings.Config():
                self._known["config"] = loaded
                return places.config(entry, self._uid)
            case ConfigError():
                return places.config(entry, self._uid, str(loaded), loaded.hint)
            case _:
                return places.config(replace(entry, problem=_words(loaded)), self._uid)

    def _state(self, state: str, contact: Contact) -> Iterator[Check]:
        entry = self._entry(state)
        yield places.private_folder("state folder", entry, self._uid)
        if entry.kind == "folder":
            lock = os.path.join(state, "lock")  # noqa: PTH118 - a string is all there is
            holder = looks.within(_SECONDS, lambda: looks.lock_holder(lock))
            yield running.lock(state, holder if isinstance(holder, int) else None, contact)

    def _space(self, state: str) -> Check:
        # Where the folder is not there yet, it is about the disk it will be on.
        found = looks.within(_SECONDS, lambda: looks.space(Path(state)))
        if isinstance(found, places.Space):
            return places.space("disk", found)
        return failed("disk", f"{state}: {_words(found)}", f"findmnt --target {state}")

    def _roots(self) -> Iterator[Check]:
        config = self._known.get("config", settings.Config())
        chosen = config.roots or (str(paths.pictures_dir(self._env)),)
        for root in (str(paths.expand(each, self._env)) for each in chosen):
            listed = looks.within(_SECONDS, lambda root=root: looks.listed(root))  # type: ignore[misc]
            readable = listed is True
            entry = self._entry(root)
            if isinstance(listed, TimeoutError):
                entry = places.Entry(root, problem=_words(listed))
            yield places.root(entry, readable=readable)

    # --- systemd ----------------------------------------------------------------------------------------------

    def _unit(self, contact: Contact) -> Iterator[Check]:
        if not looks.systemd():
            yield Check("unit", "ok", "there is no systemd here: phsearchd is started by hand")
            return
        shown, problem = looks.shown("systemctl", "--user", "show", unit.UNIT, *unit.PROPERTIES)
        program = looks.program(*unit.command(shown.get("ExecStart", "")))
        answered = contact.outcome == "answered"
        yield unit.unit(shown, problem, program, answered=answered)
        if shown.get("LoadState") == "loaded":
            user, unknown = looks.shown("loginctl", "show-user", str(self._uid), "Linger", "Display")
            if "not logged in or lingering" in unknown:  # cron, or a container without logind's sessions
                user = {"Linger": "no"}
            graphical = bool(self._env.get("DISPLAY") or self._env.get("WAYLAND_DISPLAY"))
            if (check := unit.linger(user, graphical=graphical)) is not None:
                yield check


def _check(said: Any) -> Check:
    """Take a check from the wire; a newer daemon may know states that we do not."""
    state: State = said["state"] if said["state"] in {"ok", "warn", "fail"} else "warn"
    return Check(said["name"], state, said["text"], said["remedy"] or ("" if state == "ok" else running.START))


def _words(problem: Any) -> str:
    match problem:
        case TimeoutError():
            return f"it did not answer within {_SECONDS:g} s"
        case OSError():
            return (problem.strerror or str(problem)).lower()
        case _:
            return str(problem)
