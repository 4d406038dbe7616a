"""The mounts that the kernel lists in /proc/self/mountinfo, see proc_pid_mountinfo(5).

They answer two questions. Which file systems do not report changes made elsewhere? inotify reports only changes made
through this machine's kernel, so a network share or a FUSE file system also needs a periodic scan. And which file
system is a folder on? A disk is identified by its UUID if it has one, since device names change at every reboot.
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
"""In addition to "fuse.<name>". Not "fuseblk": that is FUSE on a local disk (ntfs-3g), changed through this kernel."""
_MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})
"""Their source is only a word. The device number tells them apart, and they do not survive a reboot either."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


class MountTable:
    """Reads the current mounts. `read` asks no disk, so it never hangs."""

    def __init__(self, table: Path = Path("/proc/self/mountinfo"), uuids: Path = Path("/dev/disk/by-uuid")) -> None:
        self._table = table
        self._uuids = uuids
        self._last: tuple[bytes, Mounts] = (b"", Mounts())

    def read(self) -> Mounts:
        """Return the mounts, the same object as long as nothing changes; no mounts if there is no /proc."""
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
        """Return the type of the file system of `path` if that is a remote one. Asks the disk, to resolve links."""
        return self.read().remote(os.path.realpath(path))


class MountPoints:
    """Maps mount points to remote file systems. It keeps the table in memory, since it is asked for every folder.

    The kernel signals POLLPRI on an open mountinfo after each mount and unmount; only then is the table read again.
    """

    def __init__(self, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self._types: dict[str, str] = {}
        self._points: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._poller = select.poll()
        try:
            self._file: BinaryIO | None = mountinfo.open("rb", buffering=0)
        except OSError:  # no /proc, so no mounts are known
            self._file = None
            return
        self._poller.register(self._file, select.POLLPRI)
        self._read(self._file)

    def __call__(self, path: str) -> str | None:
        """Return the type of the remote file system mounted at exactly the absolute, resolved `path`, if any."""
        self._update()
        return self._types.get(path)

    def holds(self, path: str) -> bool:
        """Whether anything is mounted at exactly the absolute, resolved `path`."""
        self._update()
        return path in self._points

    def close(self) -> None:
        """Close the table."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _update(self) -> None:
        with self._lock:
            if self._file is not None and self._poller.poll(0):
                self._read(self._file)

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        # A later mount at the same point covers the earlier one.
        latest = {mount.point: mount for mount in parse_mountinfo(file.read(), {})}
        self._points = frozenset(latest)
        self._types = {point: mount.kind for point, mount in latest.items() if mount.remote}


def parse_mountinfo(table: bytes, uuid_of: dict[str, str]) -> Mounts:
    """Return the mounts in the text of a mountinfo; `uuid_of` maps devices such as "/dev/sda1" to UUIDs."""
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
        point = _unescape(fields[4])
        found.append(Mount(int(fields[0]), point, kind, identity, remote, fields[2].decode(), within))
    return Mounts(tuple(found))


def _uuid_of_device(uuids: Path) -> dict[str, str]:
    try:
        links = list(os.scandir(uuids))
    except OSError:  # no udev here
        return {}
    # A mount may also name its device by a link: /dev/mapper/data for /dev/dm-0.
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
