"""Batches are full and ahead, and a photo that takes the worker down is found without losing another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.batching import Batcher, Candidate
from phsearch.domain.types import Fingerprint


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
        batcher.begun(name)
    batcher.finished("0")
    assert batcher.died() is None
    assert names(batcher.next()) == ["1"]
    assert batcher.next() is None, "nothing goes beside a suspect"


@given(st.integers(1, 40), st.data())
def test_the_culprit_is_found_and_everybody_else_is_embedded(count: int, data: st.DataObject) -> None:
    culprit = str(data.draw(st.integers(0, count - 1)))
    batcher = filled(count, size=16, ahead=3)
    embedded: list[str] = []
    blamed: list[str] = []
    for _ in range(400):
        batch = batcher.next()
        if batch is None:
            break
        number, photos = batch
        for photo in photos:
            batcher.begun(photo.path)
            if photo.path == culprit:
                found = batcher.died()
                blamed += [found.path] if found else []
                break
            assert batcher.finished(photo.path) is not None
            embedded.append(photo.path)
        else:
            batcher.done(number)
    assert blamed == [culprit]
    assert sorted(embedded) == sorted(str(number) for number in range(count) if str(number) != culprit)
    assert batcher.waiting == batcher.held == 0


def test_a_photo_is_not_blamed_for_a_worker_that_was_killed_once_or_twice() -> None:
    batcher = filled(1)
    for _ in range(2):
        batcher.next()
        batcher.begun("0")
        assert batcher.died() is None
    number, _ = batcher.next() or (0, [])
    assert batcher.finished("0") is not None
    batcher.done(number)
    assert batcher.waiting == 0


def test_the_position_counts_what_comes_before() -> None:
    batcher = filled(6)
    assert [batcher.position(str(number)) for number in range(6)] == list(range(6))
    _, held = batcher.next() or (0, [])
    assert batcher.position(held[0].path) is None, "the worker has it"
    assert batcher.position("5") == 5
    for photo in held[:2]:
        batcher.begun(photo.path)
    batcher.died()
    assert batcher.position(held[0].path) == 0, "suspects come first"
    assert batcher.position("unknown") is None
