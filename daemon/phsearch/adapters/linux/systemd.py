"""The messages between systemd and a service: sd_notify(3), sd_listen_fds(3). Without systemd nothing is sent."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEMD_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""Variables meant for one process only; a child process that inherits them would wrongly use them."""

_FIRST_FD = 3
_SEND_TIMEOUT = 2.0
"""Seconds, for messages that systemd must get. A heartbeat or a status line would be useless later."""
_COMPARE_HINT = "compare phsearch.socket with the one `phsearchd install` writes"


class SystemdNotifier:
    """Sends datagrams to $NOTIFY_SOCKET."""

    def __init__(self, env: Mapping[str, str]) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A leading "@" means the abstract namespace, which the kernel writes as a NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = _watchdog_seconds(env) if address else None
        """systemd ends the daemon after this long without `watchdog_ping`; None if its watchdog is off."""

    def notify_ready(self) -> None:
        """Report that the socket listens and the index is open."""
        self._send("READY=1", _SEND_TIMEOUT)

    def notify_reloading(self) -> None:
        """Report that the settings are being reloaded; `notify_ready` ends that. systemd requires the time with it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", _SEND_TIMEOUT)

    def notify_status(self, text: str) -> None:
        """Set the one line that `systemctl --user status` shows."""
        # A second line would be another message, and a file name may contain one.
        self._send(f"STATUS={' '.join(text.splitlines())}")

    def watchdog_ping(self) -> None:
        """Report that the daemon is alive, if systemd's watchdog is on."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def notify_stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send("STOPPING=1")

    def _send(self, message: str, timeout: float = 0.0) -> None:
        """Send a message; wait at most `timeout` seconds if systemd's queue is full."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(timeout)
            try:
                sender.sendto(message.encode(), self._address)
            except OSError:
                # The process that started the daemon is gone or does not read; that must not stop the daemon.
                return


def _watchdog_seconds(env: Mapping[str, str]) -> float | None:
    """Return the interval as sd_watchdog_enabled(3) does: $WATCHDOG_PID, if set, names the process it is meant for."""
    micros, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or not int(micros) or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 1_000_000


def listen_socket(env: Mapping[str, str]) -> socket.socket | None:
    """Return the listening socket that systemd passed, or None if it passed none. Raises PhsearchError."""
    if env.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = env.get("LISTEN_FDS", "")
    if count != "1":
        raise PhsearchError(
            f"systemd passed {count or 'no number of'} sockets", "phsearch.socket must have one ListenStream= line"
        )
    try:
        listener = socket.socket(fileno=_FIRST_FD)
    except OSError as error:
        raise PhsearchError(f"file descriptor {_FIRST_FD} is no socket: {error.strerror}", _COMPARE_HINT) from None
    listener.set_inheritable(False)
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if (listener.family, listener.type) != (socket.AF_UNIX, socket.SOCK_STREAM) or not listens:
        listener.close()
        raise PhsearchError("the socket systemd passed is not a listening Unix stream socket", _COMPARE_HINT)
    listener.setblocking(False)
    return listener
