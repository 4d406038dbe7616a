"""The systemd unit, from the output of `systemctl --user show` and `loginctl show-user`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phsearch.domain.doctor.check import Check, fail, ok, plural, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT = "phsearch.service"
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "NeedDaemonReload",
    "ExecStart",
)
_INSTALL = "phsearchd install --now"
_LOG = "journalctl --user -u phsearch -n 50"
_START = "systemctl --user start phsearch"
_RESTART = "systemctl --user restart phsearch"
_ENABLE = "systemctl --user enable phsearch"
_ALIVE = frozenset({"active", "activating", "reloading"})
_AT_LOGIN = frozenset({"enabled", "enabled-runtime", "linked", "static", "indirect"})
_EX_CONFIG = "78"
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def properties(shown: str) -> dict[str, str]:
    """Parse lines of "Name=value"."""
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def command(exec_start: str) -> tuple[str, str]:
    """Return the program of an ExecStart as systemctl shows it, and the PATH to look it up in, "" for a whole path.

    Of `env PATH=... phsearchd` that is phsearchd: that env exists says nothing.
    """
    found = re.search(r"argv\[\]=(.*?) ; ", exec_start)
    words = found[1].split() if found else []
    if not words or words[0].rpartition("/")[2] != "env":
        return (words[0] if words else "", "")
    variables = [word for word in words[1:] if _ASSIGNMENT.match(word)]
    rest = [word for word in words[1:] if word not in variables]
    searched = next((word.removeprefix("PATH=") for word in variables if word.startswith("PATH=")), "")
    return (rest[0] if rest else "", searched)


def unit(shown: Mapping[str, str], problem: str, program: str | None, *, answered: bool) -> Check:
    """Judge the unit. `program` is the path of its command, or None if there is no such program."""
    name = "unit"
    active, enabled = shown.get("ActiveState", ""), shown.get("UnitFileState", "")
    result, status = shown.get("Result", "success"), shown.get("ExecMainStatus", "")
    restarts = int(shown.get("NRestarts") or 0)
    text = f"{UNIT} is {active} ({shown.get('SubState', '')}), {enabled or 'not installed'}"
    ended = f"{text}; it ended with {result}, status {status}"
    settings = "phsearch-client doctor names the setting that is wrong"
    # The first one that applies counts.
    faults = (
        (problem, warn(name, problem, "export XDG_RUNTIME_DIR=/run/user/$(id -u); systemctl --user status")),
        (
            shown.get("LoadState") != "loaded",
            warn(name, f"there is no {UNIT}: phsearchd does not start at login", _INSTALL)
            if answered
            else fail(name, f"there is no {UNIT}", _INSTALL),
        ),
        (program is None, fail(name, f"{text}; its ExecStart names no program that is there", _INSTALL)),
        (
            active == "failed" or result != "success",
            fail(name, ended, f"{settings if status == _EX_CONFIG else _LOG}; then {_RESTART}"),
        ),
        (
            shown.get("NeedDaemonReload") == "yes",
            warn(name, f"{text}; changed since it was loaded", f"systemctl --user daemon-reload && {_RESTART}"),
        ),
        (active != "active" and answered, warn(name, f"{text}: the phsearchd that answers is another", _START)),
        (active not in _ALIVE, fail(name, text, _START)),
        (enabled not in _AT_LOGIN, warn(name, f"{text}: it does not start at login", _ENABLE)),
        (restarts, warn(name, f"{text}; it had to be restarted {plural(restarts, 'time')}", _LOG)),
    )
    return next((check for applies, check in faults if applies), ok(name, text))


def linger(shown: Mapping[str, str], *, graphical: bool) -> Check | None:
    """Judge whether the daemon outlives the last session of a user without a desktop; None if that is not known."""
    match shown.get("Linger"):
        case "yes":
            return ok("linger", "phsearchd runs whether or not anybody is logged in")
        case "no" if graphical or shown.get("Display"):
            return ok("linger", "phsearchd runs while you are logged in")
        case "no":
            text = "phsearchd ends when the last session does, and there is no desktop here"
            return warn("linger", text, "loginctl enable-linger")
        case _:
            return None
