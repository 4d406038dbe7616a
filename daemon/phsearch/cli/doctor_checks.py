"""The checks of the doctor: what the client finds out, and the daemon's report, in one list.

A disk or a daemon that does not answer becomes a line: each question has its own thread and a timeout.
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
from phsearch.client import parse_answer
from phsearch.domain.doctor import Check, CheckState, contact_checks, fail, file_checks, systemd_checks, warn
from phsearch.domain.doctor.contact_checks import DaemonProbe, Versions
from phsearch.errors import AnswerTimeoutError, ConfigError, PhsearchError, RemoteError
from phsearch.paths import StateFolder
from phsearch.state_lock import locking_process
from phsearch.wire import PROTOCOL
from phsearch.wire.results.daemon import DaemonVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phsearch.client import Client
    from phsearch.wire.results.daemon import CheckResult, Diagnosis

_TIMEOUT_SECONDS = 2.0
"""How long a disk has for its answer."""


class DoctorRun:
    """One run of the doctor."""

    def __init__(self, *, client: Client, env: Mapping[str, str], uid: int) -> None:
        self._client = client
        self._env = env
        self._uid = uid
        self._socket = os.path.abspath(client.find_socket())  # noqa: PTH100 - keeps the name as typed
        self._version: DaemonVersion | None = None
        self._config = settings.Config()
        self._report_problem: Check | None = None

    def checks(self) -> Iterator[Check]:
        """Return all checks, in the order in which things are needed at a start."""
        probe = self._probe_daemon()
        report = self._daemon_report(probe)
        own = Versions(__version__, PROTOCOL, platform.python_version())
        yield contact_checks.versions(own, self._daemon_version(report))
        yield self._check_config()
        folder = os.path.dirname(self._socket)  # noqa: PTH120 - as above
        yield file_checks.private_folder("socket folder", self._file_info(folder), self._uid)
        if (check := file_checks.socket(self._file_info(self._socket), self._uid)) is not None:
            yield check
        yield contact_checks.daemon(probe)
        state = StateFolder(Path(report.state) if report else paths.state_dir(self._env))
        yield from self._check_state(state, probe)
        yield from self._check_unit(probe)
        if report:
            yield from map(_parse_check, report.checks)
        else:
            yield self._check_space(state.path)
            yield from self._check_roots()
        if self._report_problem is not None:
            yield self._report_problem

    # --- the daemon -------------------------------------------------------------------------------------------

    def _probe_daemon(self) -> DaemonProbe:
        probe = probes.connect_probe(self._socket, _TIMEOUT_SECONDS)
        if probe.result != "answered":
            return probe
        try:
            with probes.Timer() as timer:
                self._version = parse_answer(DaemonVersion, self._client.call("status"))
        except AnswerTimeoutError:
            holder = self._lock_holder(StateFolder(paths.state_dir(self._env))) if probe.activated else None
            pid = probe.pid if holder is None else holder
            seconds = self._client.timeout
            return replace(probe, result="silent", seconds=seconds, pid=pid, stopped=probes.is_stopped(pid))
        except PhsearchError as problem:
            return replace(probe, result="other", problem=str(problem), hint=problem.hint)
        return replace(probe, seconds=timer.seconds, pid=self._version.pid)

    def _daemon_version(self, report: Diagnosis | None) -> Versions | None:
        if self._version is None:
            return None
        return Versions(self._version.version, self._version.protocol, report.python if report else "")

    def _daemon_report(self, probe: DaemonProbe) -> Diagnosis | None:
        """Return the daemon's report on itself, None where there is none."""
        if probe.result != "answered":
            return None
        try:
            return self._client.doctor()
        except RemoteError as problem:
            text = f"the daemon cannot look at itself: {problem}"
            if problem.kind == "MethodNotFound":
                text = "the daemon is too old to look at itself"
            self._report_problem = warn("daemon", text, "systemctl --user restart phsearch, after an upgrade of it")
            return None
        except PhsearchError as problem:
            text = f"the daemon did not look at itself: {problem}"
            self._report_problem = fail("daemon", text, problem.hint or contact_checks.START)
            return None

    # --- files and folders ------------------------------------------------------------------------------------

    def _file_info(self, path: str) -> file_checks.FileInfo:
        found = probes.with_timeout(_TIMEOUT_SECONDS, lambda: probes.file_info(path))
        if isinstance(found, file_checks.FileInfo):
            return found
        return file_checks.FileInfo(path, problem=_problem_text(found))

    def _lock_holder(self, state: StateFolder) -> int | None:
        holder = probes.with_timeout(_TIMEOUT_SECONDS, lambda: locking_process(state.lock))
        return holder if isinstance(holder, int) else None

    def _check_config(self) -> Check:
        file = paths.config_file(self._env)
        info = self._file_info(str(file))
        if info.problem:
            return file_checks.config(info, self._uid)
        loaded = probes.with_timeout(_TIMEOUT_SECONDS, lambda: settings.load(file))
        match loaded:
            case settings.Config():
                self._config = loaded
                return file_checks.config(info, self._uid)
            case ConfigError():
                return file_checks.config(info, self._uid, str(loaded), loaded.hint)
            case _:
                return file_checks.config(replace(info, problem=_problem_text(loaded)), self._uid)

    def _check_state(self, state: StateFolder, probe: DaemonProbe) -> Iterator[Check]:
        info = self._file_info(str(state.path))
        yield file_checks.private_folder("state folder", info, self._uid)
        if info.kind == "folder":
            yield contact_checks.lock(str(state.path), self._lock_holder(state), probe)

    def _check_space(self, state: Path) -> Check:
        # Where the folder does not exist yet, it is about the disk it will be on.
        found = probes.with_timeout(_TIMEOUT_SECONDS, lambda: probes.disk_space(state))
        if isinstance(found, file_checks.Space):
            return file_checks.space("disk", found)
        return fail("disk", f"{state}: {_problem_text(found)}", f"findmnt --target {state}")

    def _check_roots(self) -> Iterator[Check]:
        chosen = self._config.roots or (str(paths.pictures_dir(self._env)),)
        for root in (str(paths.expand(each, self._env)) for each in chosen):
            listed = probes.with_timeout(_TIMEOUT_SECONDS, lambda root=root: probes.is_listable(root))  # type: ignore[misc]
            info = self._file_info(root)
            if isinstance(listed, TimeoutError):
                info = file_checks.FileInfo(root, problem=_problem_text(listed))
            yield file_checks.root(info, readable=listed is True)

    # --- systemd ----------------------------------------------------------------------------------------------

    def _check_unit(self, probe: DaemonProbe) -> Iterator[Check]:
        if not probes.has_systemd():
            yield Check("unit", "ok", "there is no systemd here: phsearchd is started by hand")
            return
        unit, problem = probes.show_properties(
            "systemctl", "--user", "show", systemd_checks.UNIT, *systemd_checks.PROPERTIES
        )
        program = probes.find_program(*systemd_checks.command(unit.get("ExecStart", "")))
        yield systemd_checks.unit(unit, problem, program, answered=probe.result == "answered")
        if unit.get("LoadState") == "loaded":
            user, unknown = probes.show_properties("loginctl", "show-user", str(self._uid), "Linger", "Display")
            if "not logged in or lingering" in unknown:  # cron, or a container without logind's sessions
                user = {"Linger": "no"}
            graphical = bool(self._env.get("DISPLAY") or self._env.get("WAYLAND_DISPLAY"))
            if (check := systemd_checks.linger(user, graphical=graphical)) is not None:
                yield check


def _parse_check(given: CheckResult) -> Check:
    """Return a check from the daemon's report. A newer daemon may have states that are unknown here."""
    state: CheckState = given.state if given.state in {"ok", "warn", "fail"} else "warn"
    remedy = given.remedy or ("" if state == "ok" else contact_checks.START)
    return Check(given.name, state, given.text, remedy)


def _problem_text(problem: Any) -> str:
    match problem:
        case TimeoutError():
            return f"it did not answer within {_TIMEOUT_SECONDS:g} s"
        case OSError():
            return (problem.strerror or str(problem)).lower()
        case _:
            return str(problem)
