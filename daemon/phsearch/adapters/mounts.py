"""Which folders lie on a file system that tells nothing of changes made elsewhere.

inotify reports what goes through this machine's kernel. On a network file system another machine's changes do not, and
behind FUSE neither do changes made in the backing store, so such a root wants a scan on a timer beside its watch.
The kernel lists what is mounted where in /proc/self/mountinfo, see proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
import select
import threading
from pathlib import Path
from typing import BinaryIO

_NAMES = (
    "nfs nfs4 cifs smb3 smbfs 9p ceph glusterfs afs davfs sshfs fuse lustre gpfs beegfs orangefs vboxsf virtiofs"
    " prl_fs vmhgfs coda"
)
_REMOTE = frozenset(_NAMES.split())
"""Beside "fuse.<name>". Not "fuseblk": that is FUSE on a local disk (ntfs-3g), whose changes go through our kernel."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


def unwatchable(path: str, mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Give the type of the file system `path` lies on when inotify does not see all of its changes, else None."""
    try:
        table = mountinfo.read_bytes()
    except OSError:  # no /proc: nothing is known, and the watch is tried
        return None
    return remote_type(table, os.path.realpath(path))


class RemoteMounts:
    """What remote file system is mounted at exactly a path, asked for every folder there is: the table is kept.

    The kernel marks an open mountinfo (POLLPRI) when something was mounted or unmounted; only then it is read again.
    """

    def __init__(self, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self._kinds: dict[str, str] = {}
        self._lock = threading.Lock()
        self._poller = select.poll()
        try:
            self._file: BinaryIO | None = mountinfo.open("rb", buffering=0)
        except OSError:  # no /proc: nothing is known
            self._file = None
            return
        self._poller.register(self._file, select.POLLPRI)
        self._read(self._file)

    def __call__(self, path: str) -> str | None:
        """Give the type of the remote file system mounted at the absolute, resolved `path`, None without one."""
        with self._lock:
            if self._file is not None and self._poller.poll(0):
                self._read(self._file)
        return self._kinds.get(path)

    def close(self) -> None:
        """Let go of the table."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        # A later mount on the same point covers the earlier one.
        self._kinds = {point: kind for point, kind in dict(mounts(file.read())).items() if _is_remote(kind)}


def remote_type(table: bytes, path: str) -> str | None:
    """Find the file system of the absolute, resolved `path` in the text of a mountinfo; None when it is a local one."""
    kind, longest = "", -1
    for point, mounted in mounts(table):
        inside = path == point or path.startswith(point if point == "/" else f"{point}/")
        if inside and len(point) >= longest:  # ">=": a later mount on the same point covers the earlier one
            kind, longest = mounted, len(point)
    return kind if _is_remote(kind) else None


def mounts(table: bytes) -> list[tuple[str, str]]:
    """Parse the text of a mountinfo into (mount point, type), in the order of mounting."""
    found = []
    for line in table.split(b"\n"):
        # "36 35 98:0 /root /mnt/point rw,noatime master:1 - ext3 /dev/root rw": the optional fields end at " - ".
        before, dash, after = line.partition(b" - ")
        fields, kinds = before.split(b" "), after.split(b" ")
        if dash and len(fields) > 5:  # noqa: PLR2004 - the mount options are the sixth field
            found.append((_path(fields[4]), os.fsdecode(kinds[0])))
    return found


def _is_remote(kind: str) -> bool:
    return kind in _REMOTE or kind.startswith("fuse.")


def _path(field: bytes) -> str:
    # Space, tab, newline and backslash are written as octal, e.g. "\040".
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))
