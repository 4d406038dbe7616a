"""What the kernel says is mounted where: /proc/self/mountinfo, see proc_pid_mountinfo(5).

Two questions hang on it. Which file systems tell nothing of changes made elsewhere: inotify reports what goes through
this machine's kernel, so a network share, or what lies behind FUSE, wants a scan on a timer beside its watch. And which
file system a folder is on: a disk is known by its UUID where it has one, since device names change with every reboot.
"""

from __future__ import annotations

import os
import re
import select
import threading
from pathlib import Path
from typing import BinaryIO

from phsearch.domain.roots.mounts import Mount, Mounts

_REMOTE_NAMES = (
    "nfs nfs4 cifs smb3 smbfs 9p ceph glusterfs afs davfs sshfs fuse lustre gpfs beegfs orangefs vboxsf virtiofs"
    " prl_fs vmhgfs coda"
)
_REMOTE_TYPES = frozenset(_REMOTE_NAMES.split())
"""Beside "fuse.<name>". Not "fuseblk": that is FUSE on a local disk (ntfs-3g), whose changes go through our kernel."""
_MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})
"""Their sources are but a word; the device number tells them apart, until the next boot, which they do not outlive."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


class MountTable:
    """Reads what is mounted now. Asks no disk, so it never hangs."""

    def __init__(self, table: Path = Path("/proc/self/mountinfo"), uuids: Path = Path("/dev/disk/by-uuid")) -> None:
        self._table = table
        self._uuids = uuids
        self._last: tuple[bytes, Mounts] = (b"", Mounts())

    def read(self) -> Mounts:
        """Give what is mounted, the very same object while nothing changes; nothing where there is no /proc."""
        try:
            text = self._table.read_bytes()
        except OSError:
            text = b""
        last, mounts = self._last
        if text != last:
            mounts = parse_mountinfo(text, _uuid_of_device(self._uuids))
            self._last = (text, mounts)
        return mounts

    def remote_type(self, path: str) -> str | None:
        """Give the type of the file system `path` lies on when that is a remote one. Asks the disk, for links."""
        return self.read().remote(os.path.realpath(path))


class RemoteMountPoints:
    """What remote file system is mounted at exactly a path, asked for every folder there is: the table is kept.

    The kernel marks an open mountinfo (POLLPRI) when something was mounted or unmounted; only then it is read again.
    """

    def __init__(self, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self._types: dict[str, str] = {}
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
        return self._types.get(path)

    def close(self) -> None:
        """Let go of the table."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        # A later mount on the same point covers the earlier one.
        latest = {mount.point: mount for mount in parse_mountinfo(file.read(), {})}
        self._types = {point: mount.kind for point, mount in latest.items() if mount.remote}


def parse_mountinfo(table: bytes, uuid_of: dict[str, str]) -> Mounts:
    """Parse the text of a mountinfo; `uuid_of` gives the UUID for a device such as "/dev/sda1"."""
    found = []
    for line in table.split(b"\n"):
        # "36 35 98:0 /root /mnt/point rw,noatime master:1 - ext3 /dev/root rw": the optional fields end at " - ".
        before, dash, after = line.partition(b" - ")
        fields, kinds = before.split(b" "), after.split(b" ")
        if not dash or len(fields) < 6 or len(kinds) < 2:  # noqa: PLR2004 - the mount options are the sixth field
            continue
        kind, source = os.fsdecode(kinds[0]), _unescape(kinds[1])
        within = _unescape(fields[3])
        if kind in _MEMORY_TYPES:
            source = f"{source} {fields[2].decode()}"
        identity = " ".join(
            part for part in (kind, uuid_of.get(source, source), within if within != "/" else "") if part
        )
        remote = kind in _REMOTE_TYPES or kind.startswith("fuse.")
        found.append(Mount(int(fields[0]), _unescape(fields[4]), kind, identity, remote))
    return Mounts(tuple(found))


def _uuid_of_device(uuids: Path) -> dict[str, str]:
    try:
        links = list(os.scandir(uuids))
    except OSError:  # no udev here
        return {}
    # A mount may name its device by a link, too: /dev/mapper/data for /dev/dm-0.
    devices = {os.path.realpath(link.path): link.name for link in links}
    mapped = {link.path: devices.get(os.path.realpath(link.path), "") for link in _list_folder("/dev/mapper")}
    return devices | {name: uuid for name, uuid in mapped.items() if uuid}


def _list_folder(folder: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


def _unescape(field: bytes) -> str:
    # Space, tab, newline and backslash are written as octal, e.g. "\040".
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))
