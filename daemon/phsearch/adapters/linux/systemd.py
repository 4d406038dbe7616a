"""What systemd and a service say to each other: sd_notify(3), sd_listen_fds(3). Silent without systemd."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEMD_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""Variables meant for one process alone: a child that found them would take them for its own."""

_FIRST_FD = 3


_SEND_TIMEOUT = 2.0
"""For what systemd must know; a heartbeat or a line of status that cannot be taken now is of no use later."""


class SystemdNotifier:
    """Datagrams to $NOTIFY_SOCKET."""

    def __init__(self, env: Mapping[str, str]) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A leading "@" means the abstract namespace, which the kernel spells with a NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = _watchdog_seconds(env) if address else None
        """systemd ends us after this long without `alive`; None where it does not watch us."""

    def notify_ready(self) -> None:
        """Say that the socket listens and the index is open."""
        self._send("READY=1", _SEND_TIMEOUT)

    def notify_reloading(self) -> None:
        """Say that the settings are being read again; `ready` ends that. systemd wants the time beside it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", _SEND_TIMEOUT)

    def notify_status(self, text: str) -> None:
        """Give the one line `systemctl --user status` shows."""
        # A second line would be another message, and a file name may hold one.
        self._send(f"STATUS={' '.join(text.splitlines())}")

    def watchdog_ping(self) -> None:
        """Say that all is well, where systemd waits for that."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def notify_stopping(self) -> None:
        """Say that we are on our way out."""
        self._send("STOPPING=1")

    def _send(self, message: str, patience: float = 0.0) -> None:
        """Send, and wait so many seconds at most while there are more messages than systemd has read."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(patience)
            try:
                sender.sendto(message.encode(), self._address)
            except OSError:
                # Whoever started us is gone or deaf; that must not stop the daemon.
                return


def _watchdog_seconds(env: Mapping[str, str]) -> float | None:
    """Read the interval as sd_watchdog_enabled(3) does: $WATCHDOG_PID, if there, says whom it is meant for."""
    micros, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or not int(micros) or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 1_000_000


def listen_socket(env: Mapping[str, str]) -> socket.socket | None:
    """Take over the listening socket systemd holds for us; None where it holds none. Raises PhsearchError."""
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
        raise PhsearchError(f"file descriptor {_FIRST_FD} is no socket: {error.strerror}", _REMEDY) from None
    listener.set_inheritable(False)
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if (listener.family, listener.type) != (socket.AF_UNIX, socket.SOCK_STREAM) or not listens:
        listener.close()
        raise PhsearchError("the socket systemd passed is not a listening Unix stream socket", _REMEDY)
    listener.setblocking(False)
    return listener


_REMEDY = "compare phsearch.socket with the one `phsearchd install` writes"
