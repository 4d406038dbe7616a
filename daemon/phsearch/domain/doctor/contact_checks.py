"""Whether a daemon runs and answers, and which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from phsearch.domain.doctor.check import Check, fail, ok, warn

START = "systemctl --user start phsearch, or phsearchd"


@dataclass(frozen=True, slots=True)
class DaemonProbe:
    """What came of calling the daemon.

    `pid` is the daemon's, 0 where that is not known, e.g. because systemd listens for it (`activated`); `stopped` says
    whether it is halted (SIGSTOP).
    """

    socket: str
    result: Literal["answered", "silent", "refused", "absent", "other"]
    seconds: float = 0.0
    problem: str = ""
    hint: str = ""
    pid: int = 0
    stopped: bool = False
    activated: bool = False


@dataclass(frozen=True, slots=True)
class Versions:
    """Those of one side."""

    phsearch: str
    protocol: int
    python: str = ""


def daemon(contact: DaemonProbe) -> Check:
    """Judge whether there is one that answers."""
    name = "daemon"
    match contact.result:
        case "answered":
            return ok(name, f"pid {contact.pid} answers in {max(contact.seconds * 1000, 1):.0f} ms")
        case "silent" if contact.stopped:
            text = f"pid {contact.pid} is halted (SIGSTOP) and answers nobody"
            return fail(name, text, f"kill -CONT {contact.pid}")
        case "silent":
            who = f"pid {contact.pid}" if contact.pid else "systemd" if contact.activated else "somebody"
            text = f"{who} listens but did not answer within {contact.seconds:g} s"
            end = f", or kill -9 {contact.pid} and start phsearchd" if contact.pid else ""
            return fail(name, text, f"systemctl --user restart phsearch{end}")
        case "refused":
            text = f"not running: nobody listens on {contact.socket}, which a former one left behind"
            return fail(name, text, START)
        case "absent":
            return fail(name, f"not running: there is no socket at {contact.socket}", START)
        case _:
            return fail(name, contact.problem, contact.hint or START)


def versions(client: Versions, daemon: Versions | None) -> Check:
    """Compare those of client and daemon."""
    name, own = "versions", f"client {client.phsearch}, Python {client.python}"
    if daemon is None:
        return ok(name, f"{own}, protocol {client.protocol}")
    text = f"{own}; daemon {daemon.phsearch}"
    if daemon.python:
        text += f", Python {daemon.python}"
    if client.protocol != daemon.protocol:
        text += f"; the client speaks protocol {client.protocol}, the daemon {daemon.protocol}"
        return fail(name, text, "install one version of both, then: systemctl --user restart phsearch")
    if client.phsearch != daemon.phsearch:
        text += ": another version is installed than runs"
        return warn(name, text, "systemctl --user restart phsearch")
    return ok(name, f"{text}, protocol {client.protocol}")


def lock(path: str, holder: int | None, contact: DaemonProbe) -> Check:
    """Judge who holds the lock of the state directory, that is, whether a daemon uses it."""
    name = "lock"
    if holder is None:
        return ok(name, f"nobody uses {path}")
    if contact.result in {"absent", "refused"}:
        text = f"pid {holder} uses {path}, but does not listen on {contact.socket}"
        remedy = f"it is still starting or stopping, or has another --socket: see ps -fp {holder}"
        return warn(name, text, remedy)
    return ok(name, f"{path} is held by pid {holder}")
