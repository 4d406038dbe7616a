"""A daemon in its own mount namespace, where a test can plug and unplug disks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.harness import COLOUR_DAEMON, Daemon
from support.machine.namespaces import MOUNTING, why_no_mounts

if TYPE_CHECKING:
    from pathlib import Path

needs_mounts = pytest.mark.skipif(bool(why_no_mounts()), reason=why_no_mounts())


class MountingDaemon(Daemon):
    """A daemon whose disks are tmpfs: empty when first plugged in, and later with the same content as before.

    A tmpfs is deleted when nothing mounts it, so each is also mounted under `home/disks`, which the daemon does not
    watch.
    """

    def __init__(self, home: Path, program: tuple[str, ...] = COLOUR_DAEMON, settings: str = "") -> None:
        super().__init__(home, program, settings)
        # The namespace belongs to a separate process, so that it outlives the daemon.
        self._namespace = subprocess.Popen([*MOUNTING, "sh", "-c", "echo ready; exec cat"], stdin=-1, stdout=-1)
        assert self._namespace.stdout is not None
        assert self._namespace.stdout.readline() == b"ready\n"
        self._nsenter = ("nsenter", "--target", str(self._namespace.pid), "--mount") + (
            () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        )
        if os.geteuid() == 0 and self.forks is not None:
            self._mounts_of = self._namespace.pid
        else:
            self._program = (*self._nsenter, f"--wd={home}", *program)

    def inside(self, *command: str) -> None:
        """Run a command in the daemon's mount namespace."""
        done = subprocess.run([*self._nsenter, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def plug(self, name: str, at: Path) -> None:
        """Mount the disk `name`."""
        disk = self.home / "disks" / name
        if not disk.is_dir():
            disk.mkdir(parents=True)
            self.inside("mount", "-t", "tmpfs", f"disk-{name}", str(disk))
        at.mkdir(parents=True, exist_ok=True)
        self.inside("mount", "--bind", str(disk), str(at))

    def pull(self, at: Path) -> None:
        """Unmount the disk at a folder, even if it is in use."""
        self.inside("umount", "--lazy", str(at))

    def put(self, photo: Path, at: Path) -> None:
        """Copy a file to a path in the daemon's mount namespace."""
        self.inside("mkdir", "-p", str(at.parent))
        self.inside("cp", "-p", str(photo), str(at))

    def close(self) -> None:
        """Stop the daemon and the namespace."""
        try:
            self.stop()
        finally:
            self._namespace.kill()
            self._namespace.communicate()
