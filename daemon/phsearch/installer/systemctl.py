"""The user's service manager, by way of systemctl: whether there is one, and what it does for us."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.errors import PhsearchError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than the time-outs of the unit: it is systemd's word that counts.
_PATIENCE = 900


class NoManagerError(PhsearchError):
    """There is no systemd that would take a unit of this user's."""


class Systemctl:
    """Runs systemctl, loginctl and journalctl for the user."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)

    @classmethod
    def find(cls, env: Mapping[str, str]) -> Systemctl:
        """Find the manager of whoever asks, also over su, where the session's variables are missing.

        Raises NoManagerError, which says what is missing.
        """
        if shutil.which("systemctl", path=env.get("PATH")) is None:
            raise NoManagerError("there is no systemd on this machine (no systemctl)")
        runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        manager = cls({**env, "XDG_RUNTIME_DIR": runtime, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": ""})
        if (Path(runtime) / "systemd" / "private").exists():
            done = manager.run("show", "--property=Version", check=False)
            if done.returncode == 0:
                return manager
            raise NoManagerError(f"your service manager does not answer ({done.stderr.strip()})")
        if not Path("/run/systemd/system").is_dir():
            raise NoManagerError("this system was not started by systemd, as most containers are not")
        how = f"log in as {user()} itself, or let `loginctl enable-linger {user()}` start it"
        raise NoManagerError(f"no service manager runs for {user()}, as happens over su and sudo ({how})")

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `systemctl --user`. Raises PhsearchError with what it said."""
        done = self._run("systemctl", "--user", *words)
        if check and done.returncode:
            raise PhsearchError(f"`systemctl --user {' '.join(words)}` failed: {done.stderr.strip()}")
        return done

    def show(self, unit: str, name: str) -> str:
        """Give one property of a unit."""
        return self.run("show", "--value", f"--property={name}", unit, check=False).stdout.strip()

    def active(self, unit: str) -> bool:
        """Tell whether a unit runs or is about to."""
        return self.show(unit, "ActiveState") in {"active", "activating", "reloading"}

    def lingers(self) -> bool:
        """Tell whether the user's services run while nobody is logged in."""
        return self._run("loginctl", "show-user", "--value", "--property=Linger", user()).stdout.strip() == "yes"

    def journal(self, unit: str, lines: int) -> list[str]:
        """Give the last lines a unit has said, as far as the user may read them."""
        done = self._run("journalctl", "--user", f"--unit={unit}", "--output=cat", f"--lines={lines}", "--quiet")
        return done.stdout.splitlines()

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - fixed programs of systemd's
                command, env=self._env, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, 127, "", str(error))


def user() -> str:
    """Give the name of whoever asks."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
