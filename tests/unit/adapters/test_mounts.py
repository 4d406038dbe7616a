from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.linux.mounts import MountPoints, MountTable, parse_mountinfo

if TYPE_CHECKING:
    from pathlib import Path

TABLE = rb"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:50 / /mnt/nas rw,relatime shared:7 master:3 - nfs4 server:/export rw,vers=4.2
41 22 0:51 / /mnt/my\040photos rw - cifs //server/share rw
42 22 0:52 / /home/u/cloud rw,nosuid - fuse.rclone remote: rw
43 22 8:17 / /media/ntfs rw - fuseblk /dev/sdb1 rw
44 40 8:33 / /mnt/nas/local rw - xfs /dev/sdc1 rw
45 22 0:60 / /srv rw - nfs old:/ rw
46 22 8:49 / /srv rw - btrfs /dev/sdd rw
a line nobody understands
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/2023/a", "nfs4"),
        ("/mnt/my photos/a", "cifs"),
        ("/home/u/cloud/x", "fuse.rclone"),
        ("/home/u/clouds", None),
        ("/mnt/nasty", None),
        ("/media/ntfs/dcim", None),
        ("/mnt/nas/local/a", None),
        ("/srv/a", None),
        ("/", None),
    ],
)
def test_a_remote_file_system_is_told_by_what_is_mounted_deepest_and_last(path: str, kind: str | None) -> None:
    mount = parse_mountinfo(TABLE, {}).over(path)
    assert mount is not None
    assert (mount.kind if mount.remote else None) == kind


def test_odd_bytes_in_a_mount_point_survive() -> None:
    (mount,) = parse_mountinfo(b"1 2 0:1 / /a\\011b\\134c\xff rw - nfs x rw\n", {})
    assert mount.point == "/a\tb\\c\udcff"


def test_a_disk_is_known_by_its_uuid_and_a_part_of_it_by_its_folder() -> None:
    table = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:17 /@photos /data rw - btrfs /dev/sdb1 rw\n"
    identities = [mount.identity for mount in parse_mountinfo(table, {"/dev/sdb1": "12-34"})]
    assert identities == ["ext4 /dev/sda1", "btrfs 12-34 /@photos"]
    assert [(each.device, each.within) for each in parse_mountinfo(table, {})] == [("8:1", "/"), ("8:17", "/@photos")]


def test_the_same_table_gives_the_same_object_and_a_change_another(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_bytes(TABLE)
    table = MountTable(file, tmp_path)
    before = table.read()
    assert table.read() is before
    file.write_bytes(TABLE + b"99 22 8:99 / /new rw - ext4 /dev/sdz rw\n")
    assert table.read() is not before


def test_this_machine_has_something_mounted(tmp_path: Path) -> None:
    assert MountTable().read().over(str(tmp_path)) is not None


def test_without_proc_nothing_is_claimed(tmp_path: Path) -> None:
    assert MountTable(tmp_path / "absent").read().over("/mnt/nas") is None


def test_remote_mounts_are_those_at_exactly_a_path(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(TABLE)
    remote = MountPoints(tmp_path / "mountinfo")
    assert remote("/mnt/nas") == "nfs4"
    assert remote("/home/u/cloud") == "fuse.rclone"
    for path in ("/mnt/nas/2023", "/", "/media/ntfs", "/mnt/nas/local", "/srv"):
        assert remote(path) is None
    assert MountPoints(tmp_path / "absent")("/mnt/nas") is None
    assert [remote.holds(path) for path in ("/srv", "/", "/mnt/nas", "/mnt/nas/2023", "/mnt")] == [True] * 3 + [
        False
    ] * 2
    remote.close()
    with contextlib.closing(MountPoints()) as real:
        assert real("/") is None
