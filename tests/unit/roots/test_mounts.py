"""Which disks a root is made of, and when its photos may be taken for deleted: plain logic, no disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.roots.deletion_policy import MassDeletionGuard, deletions_to_hold
from phsearch.domain.roots.mounts import Mount, Mounts, missing
from phsearch.domain.types import Volume


def mount(number: int, point: str, identity: str) -> Mount:
    return Mount(number, point, "ext4", identity, remote=False)


MOUNTS = Mounts((mount(1, "/", "root"), mount(2, "/media/usb", "stick"), mount(3, "/media/usb/deep", "card")))


def test_a_root_is_made_of_its_own_disk_and_of_those_below_by_the_names_of_its_photos() -> None:
    assert MOUNTS.under("/home/u/Pictures", "/media/usb") == {
        "/home/u/Pictures": "stick at /media/usb",
        "/home/u/Pictures/deep": "card",
    }
    assert MOUNTS.under("/media/usb/2023", "/media/usb/2023") == {"/media/usb/2023": "stick at /media/usb"}
    assert Mounts().under("/x", "/x") == {"/x": ""}


def test_a_volume_that_is_not_mounted_or_is_another_is_away() -> None:
    known = {path: Volume(path, "/r", identity, 1.0) for path, identity in (("/r", "a"), ("/r/b", "b"), ("/r/c", "c"))}
    assert missing(known, {"/r": "a", "/r/b": "other", "/r/new": "d"}) == ["/r/b", "/r/c"]


def test_the_same_disk_mounted_again_and_only_what_is_mounted_around_a_folder_counts() -> None:
    again = Mounts((mount(1, "/", "root"), mount(9, "/media/usb", "stick"), mount(3, "/media/usb/deep", "card")))
    elsewhere = Mounts((*MOUNTS, mount(7, "/mnt", "x")))
    assert again.around("/media/usb") != MOUNTS.around("/media/usb")
    assert elsewhere.around("/media/usb") == MOUNTS.around("/media/usb")


def test_the_mass_deletion_guard_needs_both_a_share_and_a_number() -> None:
    guard = MassDeletionGuard(0.3, 50)
    assert [guard.holds_back(missing, known) for missing, known in ((49, 49), (50, 100), (50, 1000), (301, 1000))] == [
        False,
        True,
        False,
        True,
    ]


PATHS = st.sets(st.integers(0, 200).map(str))


@given(PATHS, PATHS, st.booleans())
def test_only_what_was_missing_before_is_let_go_and_only_by_a_pass_that_confirms(
    missing: set[str],
    held: set[str],
    confirms: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    waiting = deletions_to_hold(missing, 200, MassDeletionGuard(0.3, 50), frozenset(held), confirms=confirms)
    assert waiting <= missing
    if confirms:
        assert not waiting & held
        assert bool(waiting) == MassDeletionGuard(0.3, 50).holds_back(len(missing - held), 200)
    else:
        # What waits already goes on waiting, however few those are by now.
        too_many = MassDeletionGuard(0.3, 50).holds_back(len(missing), 200)
        assert waiting == (frozenset(missing) if too_many else frozenset(missing & held))


def bind(number: int, point: str, device: str, within: str) -> Mount:
    return Mount(number, point, "ext4", device, remote=False, device=device, within=within)


BINDS = Mounts(
    (
        bind(1, "/", "8:1", "/"),
        bind(2, "/data", "8:2", "/"),
        bind(3, "/home/u/trip", "8:2", "/pics/trip"),
        bind(4, "/srv", "8:1", "/home/u"),
        bind(5, "/covered", "8:2", "/"),
        mount(6, "/covered", "another disk"),
        mount(7, "/proc", "proc"),
    )
)


def test_a_folder_is_seen_wherever_its_file_system_is_mounted_and_not_covered() -> None:
    assert BINDS.aliases("/data/pics/trip/deep") == ["/home/u/trip/deep"]
    assert BINDS.aliases("/data/pics/trip") == ["/home/u/trip"]
    assert BINDS.aliases("/data/pics/triple") == []
    assert BINDS.aliases("/home/u/trip/deep") == ["/data/pics/trip/deep"]
    assert BINDS.aliases("/home/u") == ["/srv"]
    assert BINDS.aliases("/home/u/a") == ["/srv/a"]
    assert BINDS.aliases("/srv") == ["/home/u"]
    assert BINDS.aliases("/home") == []
    assert BINDS.aliases("/proc/1") == []
    assert Mounts().aliases("/x") == []


def test_only_a_file_system_that_is_mounted_twice_can_repeat_a_folder() -> None:
    assert BINDS.repeated_under("/home/u")
    assert BINDS.repeated_under("/")
    assert not BINDS.repeated_under("/data")
    one_disk_each = Mounts((bind(1, "/", "8:1", "/"), bind(2, "/home/u/usb", "8:2", "/")))
    assert not one_disk_each.repeated_under("/home/u")
