"""Batches are full and ahead, and a photo that takes the worker down is found without losing another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.indexing.batching import Batcher, EmbedJob
from phsearch.domain.indexing.worker_exit import WorkerExit, decode_timeout, exited, memory_exceeded
from phsearch.domain.types import Fingerprint

if TYPE_CHECKING:
    from phsearch.domain.indexing.worker_exit import ExitCause

CRASH, KILLED, HANG, MEMORY = exited(-11), exited(-9), decode_timeout(60), memory_exceeded(2 << 30)


def job(name: str, size: int = 1) -> EmbedJob:
    return EmbedJob(name, "/", Fingerprint(size, 0), b"")


def filled(count: int, size: int = 4, ahead: int = 2) -> Batcher:
    batcher = Batcher(size, ahead)
    for number in range(count):
        batcher.add_job(job(str(number)))
    return batcher


def names(batch: tuple[int, list[EmbedJob]] | None) -> list[str]:
    assert batch is not None
    return [photo.path for photo in batch[1]]


def test_batches_are_full_and_only_so_many_are_ahead() -> None:
    batcher = filled(10)
    assert names(batcher.next_batch()) == ["0", "1", "2", "3"]
    assert names(batcher.next_batch()) == ["4", "5", "6", "7"]
    assert batcher.next_batch() is None
    batcher.batch_done(1)
    assert names(batcher.next_batch())[:2] == ["8", "9"]


def test_a_newer_version_of_a_waiting_photo_replaces_the_older() -> None:
    batcher = filled(1)
    batcher.add_job(job("0", size=2))
    batch = batcher.next_batch()
    assert batch is not None
    assert [photo.fingerprint.size for photo in batch[1]] == [2]


def test_a_photo_the_worker_says_nothing_about_waits_again() -> None:
    batcher = filled(2)
    batcher.next_batch()
    batcher.job_finished("0")
    assert [photo.path for photo in batcher.batch_done(1)] == ["1"]
    assert names(batcher.next_batch()) == ["1"]


def test_photos_not_begun_are_innocent_and_suspects_are_tried_in_halves_alone() -> None:
    batcher = filled(8)
    batcher.next_batch()
    batcher.next_batch()
    for name in "0123":
        batcher.decode_started(name, 0)
    batcher.job_finished("0")
    assert batcher.worker_exited(CRASH) == []
    assert names(batcher.next_batch()) == ["1"]
    assert batcher.next_batch() is None, "nothing goes beside a suspect"


def test_photos_that_wait_for_the_model_are_innocent_while_others_are_decoded() -> None:
    batcher = filled(4)
    batcher.next_batch()
    for name in "012":
        batcher.decode_started(name, 0)
    batcher.decode_finished("0")
    batcher.decode_finished("1")
    batcher.worker_exited(CRASH)
    assert names(batcher.next_batch()) == ["2"], "the one being decoded is tried alone at once"


def test_photos_that_wait_for_the_model_are_the_suspects_where_none_is_decoded() -> None:
    batcher = filled(4)
    batcher.next_batch()
    for name in "0123":
        batcher.decode_started(name, 0)
        batcher.decode_finished(name)
    batcher.worker_exited(CRASH)
    assert names(batcher.next_batch()) == ["0", "1"]


def test_photos_that_took_too_long_are_found_at_once_and_those_beside_them_are_innocent() -> None:
    batcher = filled(4)
    batcher.next_batch()
    for moment, name in enumerate("0123"):
        batcher.decode_started(name, moment)
    late = batcher.overdue(1)
    assert late == ["0", "1"]
    assert batcher.worker_exited(HANG, late) == []
    assert names(batcher.next_batch()) == ["0"]
    batcher.decode_started("0", 10)
    assert [culprit.path for culprit in batcher.worker_exited(HANG, ["0"])] == ["0"]
    number = last(batcher, "1")
    batcher.batch_done(number)
    assert names(batcher.next_batch()) == ["2", "3"]


def last(batcher: Batcher, name: str) -> int:
    """Send one photo to the worker and finish it; return the number of the batch."""
    batch = batcher.next_batch()
    assert names(batch) == [name]
    assert batch is not None
    assert batcher.job_finished(name) is not None
    return batch[0]


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.sampled_from(["crash", "memory"]), st.data())
def test_the_culprits_are_found_and_all_others_are_embedded(
    count: int, bad: set[int], cause: ExitCause, data: st.DataObject
) -> None:
    culprits = {str(number) for number in bad if number < count}
    threads = data.draw(st.integers(1, 8))
    batcher = filled(count, size=16, ahead=3)
    embedded: list[str] = []
    blamed: list[str] = []
    exits = 0
    while (batch := batcher.next_batch()) is not None:
        number, photos = batch
        paths = [photo.path for photo in photos]
        # As many are being decoded as there are threads; those before them wait for the model or are done.
        reached = next((at for at, path in enumerate(paths) if path in culprits), None)
        for path in paths[: None if reached is None else reached + threads]:
            batcher.decode_started(path, 0)
        for path in paths[:reached]:
            batcher.decode_finished(path)
        if reached is not None:
            exits += 1
            blamed += [culprit.path for culprit in batcher.worker_exited(WorkerExit(cause, "it is bad"))]
            continue
        for path in paths:
            assert batcher.job_finished(path) is not None
            embedded.append(path)
        batcher.batch_done(number)
    assert sorted(blamed) == sorted(culprits)
    assert sorted(embedded) == sorted({str(number) for number in range(count)} - culprits)
    assert batcher.waiting == batcher.held == 0
    assert exits <= len(culprits) * 6, "each costs its own exits and at most three to halve eight threads"


def test_a_photo_is_not_blamed_for_a_worker_that_crashed_once_or_twice() -> None:
    batcher = filled(1)
    for _ in range(2):
        batcher.next_batch()
        batcher.decode_started("0", 0)
        assert batcher.worker_exited(CRASH) == []
    batcher.batch_done(last(batcher, "0"))
    assert batcher.waiting == 0


def test_the_position_counts_what_comes_before() -> None:
    batcher = filled(6)
    assert [batcher.position(str(number)) for number in range(6)] == list(range(6))
    _, held = batcher.next_batch() or (0, [])
    assert batcher.position(held[0].path) is None, "the worker has it"
    assert batcher.position("5") == 5
    for photo in held[:2]:
        batcher.decode_started(photo.path, 0)
    batcher.worker_exited(CRASH)
    assert batcher.position(held[0].path) == 0, "suspects come first"
    assert batcher.position("unknown") is None


def test_what_was_held_against_a_photo_is_forgotten_once_it_is_embedded() -> None:
    batcher = Batcher(1, 1)
    for _ in range(5):
        batcher.add_job(job("0"))
        for _ in range(2):
            batcher.next_batch()
            batcher.decode_started("0", 0)
            assert batcher.worker_exited(CRASH) == []
        batcher.batch_done(last(batcher, "0"))


@pytest.mark.parametrize(("exit_", "needed"), [(CRASH, 3), (HANG, 2), (MEMORY, 2), (KILLED, 8)])
def test_each_kind_of_exit_needs_its_own_number_of_repetitions(exit_: WorkerExit, needed: int) -> None:
    batcher = filled(1)
    for number in range(1, needed + 1):
        batcher.next_batch()
        batcher.decode_started("0", 0)
        assert bool(batcher.worker_exited(exit_)) == (number == needed)


def test_a_check_waits_behind_every_photo_and_is_never_held_beside_the_photo_itself() -> None:
    batcher = Batcher(2, 3)
    batcher.add_job(EmbedJob("0", "/", Fingerprint(1, 0), b"", check=True))
    for number in range(3):
        batcher.add_job(job(str(number)))
    assert batcher.waiting == 3
    assert names(batcher.next_batch()) == ["0", "1"]
    assert names(batcher.next_batch()) == ["2"]
    assert batcher.next_batch() is None
    photo = batcher.job_finished("0")
    assert photo is not None
    assert not photo.check
    (check,) = (batcher.next_batch() or (0, []))[1]
    assert check.check


def test_photos_of_a_root_that_is_gone_are_taken_out_wherever_they_are() -> None:
    batcher = Batcher(3, 1)
    for number in range(12):
        batcher.add_job(EmbedJob(str(number), "/gone" if number % 2 else "/here", Fingerprint(1, 0), b""))
    batcher.next_batch()
    for path in ("0", "1", "2"):
        batcher.decode_started(path, 0)
    batcher.worker_exited(CRASH)  # halved: ["0"] and ["1", "2"] are suspects now
    batcher.next_batch()
    batcher.decode_started("0", 0)
    assert {photo.path for photo in batcher.withdraw_root("/gone")} == {"1", "3", "5", "7", "9", "11"}
    assert batcher.take_back("/gone") == []
    assert [photo.path for photo in batcher.take_back("/here")] == ["0"]
    assert batcher.overdue(10) == []
    assert batcher.worker_exited(CRASH, overdue=["0"]) == []
    assert names(batcher.next_batch()) == ["2"]
    assert batcher.waiting == 4
