"""Batches are full and ahead, and a photo that takes the worker down is found without losing another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.indexing.batching import Batcher, Candidate
from phsearch.domain.indexing.worker_exit import Death, ended, hung, overfed
from phsearch.domain.types import Fingerprint

if TYPE_CHECKING:
    from phsearch.domain.indexing.worker_exit import Cause

CRASH, KILLED, HANG, MEMORY = ended(-11), ended(-9), hung(60), overfed(2 << 30)


def candidate(name: str, size: int = 1) -> Candidate:
    return Candidate(name, "/", Fingerprint(size, 0), b"")


def filled(count: int, size: int = 4, ahead: int = 2) -> Batcher:
    batcher = Batcher(size, ahead)
    for number in range(count):
        batcher.add(candidate(str(number)))
    return batcher


def names(batch: tuple[int, list[Candidate]] | None) -> list[str]:
    assert batch is not None
    return [photo.path for photo in batch[1]]


def test_batches_are_full_and_only_so_many_are_ahead() -> None:
    batcher = filled(10)
    assert names(batcher.next()) == ["0", "1", "2", "3"]
    assert names(batcher.next()) == ["4", "5", "6", "7"]
    assert batcher.next() is None
    batcher.done(1)
    assert names(batcher.next())[:2] == ["8", "9"]


def test_a_newer_version_of_a_waiting_photo_replaces_the_older() -> None:
    batcher = filled(1)
    batcher.add(candidate("0", size=2))
    batch = batcher.next()
    assert batch is not None
    assert [photo.fingerprint.size for photo in batch[1]] == [2]


def test_a_photo_the_worker_says_nothing_about_waits_again() -> None:
    batcher = filled(2)
    batcher.next()
    batcher.finished("0")
    assert [photo.path for photo in batcher.done(1)] == ["1"]
    assert names(batcher.next()) == ["1"]


def test_photos_not_begun_are_innocent_and_suspects_are_tried_in_halves_alone() -> None:
    batcher = filled(8)
    batcher.next()
    batcher.next()
    for name in "0123":
        batcher.begun(name, 0)
    batcher.finished("0")
    assert batcher.died(CRASH) == []
    assert names(batcher.next()) == ["1"]
    assert batcher.next() is None, "nothing goes beside a suspect"


def test_photos_that_wait_for_the_model_are_innocent_while_others_are_decoded() -> None:
    batcher = filled(4)
    batcher.next()
    for name in "012":
        batcher.begun(name, 0)
    batcher.decoded("0")
    batcher.decoded("1")
    batcher.died(CRASH)
    assert names(batcher.next()) == ["2"], "the one being decoded is tried alone at once"


def test_photos_that_wait_for_the_model_are_the_suspects_where_none_is_decoded() -> None:
    batcher = filled(4)
    batcher.next()
    for name in "0123":
        batcher.begun(name, 0)
        batcher.decoded(name)
    batcher.died(CRASH)
    assert names(batcher.next()) == ["0", "1"]


def test_photos_that_took_too_long_are_found_at_once_and_those_beside_them_are_innocent() -> None:
    batcher = filled(4)
    batcher.next()
    for moment, name in enumerate("0123"):
        batcher.begun(name, moment)
    late = batcher.late(1)
    assert late == ["0", "1"]
    assert batcher.died(HANG, late) == []
    assert names(batcher.next()) == ["0"]
    batcher.begun("0", 10)
    assert [culprit.path for culprit in batcher.died(HANG, ["0"])] == ["0"]
    number = last(batcher, "1")
    batcher.done(number)
    assert names(batcher.next()) == ["2", "3"]


def last(batcher: Batcher, name: str) -> int:
    """Let the worker take and finish one photo; gives the batch's number."""
    batch = batcher.next()
    assert names(batch) == [name]
    assert batch is not None
    assert batcher.finished(name) is not None
    return batch[0]


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.sampled_from(["crash", "memory"]), st.data())
def test_the_culprits_are_found_and_everybody_else_is_embedded(
    count: int, bad: set[int], cause: Cause, data: st.DataObject
) -> None:
    culprits = {str(number) for number in bad if number < count}
    threads = data.draw(st.integers(1, 8))
    batcher = filled(count, size=16, ahead=3)
    embedded: list[str] = []
    blamed: list[str] = []
    deaths = 0
    while (batch := batcher.next()) is not None:
        number, photos = batch
        paths = [photo.path for photo in photos]
        # As many are being decoded as there are threads; those before them wait for the model or are done.
        reached = next((at for at, path in enumerate(paths) if path in culprits), None)
        for path in paths[: None if reached is None else reached + threads]:
            batcher.begun(path, 0)
        for path in paths[:reached]:
            batcher.decoded(path)
        if reached is not None:
            deaths += 1
            blamed += [culprit.path for culprit in batcher.died(Death(cause, "it is bad"))]
            continue
        for path in paths:
            assert batcher.finished(path) is not None
            embedded.append(path)
        batcher.done(number)
    assert sorted(blamed) == sorted(culprits)
    assert sorted(embedded) == sorted({str(number) for number in range(count)} - culprits)
    assert batcher.waiting == batcher.held == 0
    assert deaths <= len(culprits) * 6, "each costs its own deaths and at most three to halve eight threads"


def test_a_photo_is_not_blamed_for_a_worker_that_crashed_once_or_twice() -> None:
    batcher = filled(1)
    for _ in range(2):
        batcher.next()
        batcher.begun("0", 0)
        assert batcher.died(CRASH) == []
    batcher.done(last(batcher, "0"))
    assert batcher.waiting == 0


def test_the_position_counts_what_comes_before() -> None:
    batcher = filled(6)
    assert [batcher.position(str(number)) for number in range(6)] == list(range(6))
    _, held = batcher.next() or (0, [])
    assert batcher.position(held[0].path) is None, "the worker has it"
    assert batcher.position("5") == 5
    for photo in held[:2]:
        batcher.begun(photo.path, 0)
    batcher.died(CRASH)
    assert batcher.position(held[0].path) == 0, "suspects come first"
    assert batcher.position("unknown") is None


def test_what_was_held_against_a_photo_is_forgotten_once_it_is_embedded() -> None:
    batcher = Batcher(1, 1)
    for _ in range(5):
        batcher.add(candidate("0"))
        for _ in range(2):
            batcher.next()
            batcher.begun("0", 0)
            assert batcher.died(CRASH) == []
        batcher.done(last(batcher, "0"))


@pytest.mark.parametrize(("death", "needed"), [(CRASH, 3), (HANG, 2), (MEMORY, 2), (KILLED, 8)])
def test_each_kind_of_death_needs_its_own_number_of_witnesses(death: Death, needed: int) -> None:
    batcher = filled(1)
    for number in range(1, needed + 1):
        batcher.next()
        batcher.begun("0", 0)
        assert bool(batcher.died(death)) == (number == needed)


def test_a_check_waits_behind_every_photo_and_is_never_held_beside_the_photo_itself() -> None:
    batcher = Batcher(2, 3)
    batcher.add(Candidate("0", "/", Fingerprint(1, 0), b"", check=True))
    for number in range(3):
        batcher.add(candidate(str(number)))
    assert batcher.waiting == 3
    assert names(batcher.next()) == ["0", "1"]
    assert names(batcher.next()) == ["2"]
    assert batcher.next() is None
    photo = batcher.finished("0")
    assert photo is not None
    assert not photo.check
    (check,) = (batcher.next() or (0, []))[1]
    assert check.check


def test_photos_of_a_root_that_is_gone_are_taken_out_wherever_they_are() -> None:
    batcher = Batcher(3, 1)
    for number in range(12):
        batcher.add(Candidate(str(number), "/gone" if number % 2 else "/here", Fingerprint(1, 0), b""))
    batcher.next()
    for path in ("0", "1", "2"):
        batcher.begun(path, 0)
    batcher.died(CRASH)  # halved: ["0"] and ["1", "2"] are suspects now
    batcher.next()
    batcher.begun("0", 0)
    assert {photo.path for photo in batcher.withdraw("/gone")} == {"1", "3", "5", "7", "9", "11"}
    assert batcher.recall("/gone") == []
    assert [photo.path for photo in batcher.recall("/here")] == ["0"]
    assert batcher.late(10) == []
    assert batcher.died(CRASH, late=["0"]) == []
    assert names(batcher.next()) == ["2"]
    assert batcher.waiting == 4
