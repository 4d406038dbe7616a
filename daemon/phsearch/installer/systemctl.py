"""The user's service manager, through systemctl."""

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

# Longer than the timeouts of the unit, so that systemd decides first.
_TIMEOUT_SECONDS = 900


class NoManagerError(PhsearchError):
    """No systemd runs that accepts a unit of this user."""


class Systemctl:
    """Runs systemctl, loginctl and journalctl for the user."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)

    @classmethod
    def find(cls, env: Mapping[str, str]) -> Systemctl:
        """Return the manager of this user, also over su, where the session's variables are missing.

        Raise NoManagerError that says why there is none.
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
        """Run `systemctl --user`. Raise PhsearchError with its message if it fails, unless `check` is False."""
        done = self._run("systemctl", "--user", *words)
        if check and done.returncode:
            raise PhsearchError(f"`systemctl --user {' '.join(words)}` failed: {done.stderr.strip()}")
        return done

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.run("show", "--value", f"--property={name}", unit, check=False).stdout.strip()

    def active(self, unit: str) -> bool:
        """Whether a unit runs or is starting."""
        return self.show(unit, "ActiveState") in {"active", "activating", "reloading"}

    def lingers(self) -> bool:
        """Whether the user's services run while the user is not logged in."""
        return self._run("loginctl", "show-user", "--value", "--property=Linger", user()).stdout.strip() == "yes"

    def journal(self, unit: str, lines: int) -> list[str]:
        """Return the last lines of a unit in the journal; none where the user may not read it."""
        done = self._run("journalctl", "--user", f"--unit={unit}", "--output=cat", f"--lines={lines}", "--quiet")
        return done.stdout.splitlines()

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - fixed programs of systemd
                command,
                env=self._env,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, 127, "", str(error))


def user() -> str:
    """Return the name of the user who runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
