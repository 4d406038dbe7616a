"""When a disk was last there is noted seldom, for every note is a write."""

from __future__ import annotations

from typing import Any

from phsearch.domain.roots.mounts import Mount, Mounts
from phsearch.domain.roots.roots import Roots
from phsearch.domain.types import Volume
from phsearch.service.roots.volume_tracker import VolumeTracker

DAY = 86_400.0
MOUNTS = Mounts((Mount(1, "/", "ext4", "ext4 A", remote=False),))


class Notes:
    """A writer that only counts."""

    def __init__(self) -> None:
        self.volumes: list[Volume] = []

    def put_volume(self, volume: Volume) -> None:
        self.volumes.append(volume)

    def forget_volume(self, path: str) -> None:
        pass


def a_volume_tracker(notes: Any, *known: Volume, mounts: Mounts = MOUNTS) -> VolumeTracker:
    return VolumeTracker(
        root="/r",
        roots=Roots(["/r"]),
        mounts=lambda: mounts,
        path_checker=lambda: lambda _: None,
        known=known,
        writer=notes,
    )


def test_a_disk_seen_every_hour_is_noted_once_a_day_and_still_known_to_the_hour() -> None:
    notes = Notes()
    volume_tracker = a_volume_tracker(notes)
    for hour in range(50):
        volume_tracker.seen((), hour * 3600.0)
    assert [volume.seen_at for volume in notes.volumes] == [0.0, DAY, 2 * DAY]
    assert volume_tracker.last_seen("/r/a.jpg") == 49 * 3600.0


def test_what_another_run_noted_today_is_not_noted_again_unless_the_disk_is_another_one() -> None:
    same, other = Notes(), Notes()
    identity = a_volume_tracker(same).mounted()["/r"]
    a_volume_tracker(same, Volume("/r", "/r", identity, 1000.0)).seen((), 2000.0)
    a_volume_tracker(other, Volume("/r", "/r", "ext4 B", 1000.0)).seen((), 2000.0)
    assert (len(same.volumes), len(other.volumes)) == (0, 1)


def test_a_disk_that_goes_is_noted_at_once() -> None:
    notes = Notes()
    volume_tracker = a_volume_tracker(notes)
    volume_tracker.seen((), 0.0)
    volume_tracker.mark_seen((), 60.0)
    assert [volume.seen_at for volume in notes.volumes] == [0.0, 60.0]
