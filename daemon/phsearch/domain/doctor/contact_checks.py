"""Whether a daemon runs and answers, and its version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from phsearch.domain.doctor.check import Check, fail, ok, warn

START = "systemctl --user start phsearch, or phsearchd"


@dataclass(frozen=True, slots=True)
class DaemonProbe:
    """The result of a call to the daemon.

    `pid` is the daemon's, or 0 if that is not known, for example because systemd listens for it (`activated`).
    `stopped` is true if it is halted (SIGSTOP).
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
    """The versions of the client or of the daemon."""

    phsearch: str
    protocol: int
    python: str = ""


def daemon(probe: DaemonProbe) -> Check:
    """Judge whether a daemon answers."""
    name = "daemon"
    match probe.result:
        case "answered":
            return ok(name, f"pid {probe.pid} answers in {max(probe.seconds * 1000, 1):.0f} ms")
        case "silent" if probe.stopped:
            text = f"pid {probe.pid} is halted (SIGSTOP) and answers nobody"
            return fail(name, text, f"kill -CONT {probe.pid}")
        case "silent":
            listener = f"pid {probe.pid}" if probe.pid else "systemd" if probe.activated else "somebody"
            text = f"{listener} listens but did not answer within {probe.seconds:g} s"
            end = f", or kill -9 {probe.pid} and start phsearchd" if probe.pid else ""
            return fail(name, text, f"systemctl --user restart phsearch{end}")
        case "refused":
            text = f"not running: nobody listens on {probe.socket}, which a former one left behind"
            return fail(name, text, START)
        case "absent":
            return fail(name, f"not running: there is no socket at {probe.socket}", START)
        case _:
            return fail(name, probe.problem, probe.hint or START)


def versions(client: Versions, daemon: Versions | None) -> Check:
    """Compare the versions of client and daemon."""
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


def lock(path: str, holder: int | None, probe: DaemonProbe) -> Check:
    """Judge which process holds the lock of the state directory, that is, whether a daemon uses it."""
    name = "lock"
    if holder is None:
        return ok(name, f"nobody uses {path}")
    if probe.result in {"absent", "refused"}:
        text = f"pid {holder} uses {path}, but does not listen on {probe.socket}"
        remedy = f"it is still starting or stopping, or has another --socket: see ps -fp {holder}"
        return warn(name, text, remedy)
    return ok(name, f"{path} is held by pid {holder}")
