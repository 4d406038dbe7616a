"""sd_notify(3) in a few lines: tell systemd that we are ready, what we do, and that we live. Silent without it."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Datagrams to $NOTIFY_SOCKET."""

    def __init__(self, env: Mapping[str, str]) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A leading "@" means the abstract namespace, which the kernel spells with a NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = _watchdog(env) if address else None
        """systemd ends us after this long without `alive`; None where it does not watch us."""

    def ready(self) -> None:
        """Say that the socket listens and the index is open."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the settings are being read again; `ready` ends that. systemd wants the time beside it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """Give the one line `systemctl --user status` shows."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Say that all is well, where systemd waits for that."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that we are on our way out."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(message.encode(), self._address)
            except OSError:
                # Whoever started us is gone or deaf; that must not stop the daemon.
                return


def _watchdog(env: Mapping[str, str]) -> float | None:
    """Read the interval as sd_watchdog_enabled(3) does: $WATCHDOG_PID, if there, says whom it is meant for."""
    micros, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or not int(micros) or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 1_000_000
