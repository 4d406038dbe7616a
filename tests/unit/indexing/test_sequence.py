"""Numbers that only grow, whatever was lost and whatever clocks do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phsearch.adapters.state.json_files import SequenceFile
from phsearch.service.indexing.photo_index import SEQUENCE_BLOCK as BLOCK
from phsearch.service.indexing.photo_index import SequenceNumbers

if TYPE_CHECKING:
    from pathlib import Path


def numbers(path: Path, known: int = 0) -> SequenceNumbers:
    """Return the numbers of a daemon that starts now."""
    file = SequenceFile(path)
    return SequenceNumbers(saved=file.load(known), save=file.save)


def test_no_number_is_given_twice_whatever_was_lost_at_a_kill(tmp_path: Path) -> None:
    given: list[int] = []
    for start in range(5):
        daemon = numbers(tmp_path / "sequence.json")  # it knows of none that it gave
        given += [daemon.next_number() for _ in range(start * 3)]
    assert given == sorted(set(given))
    assert len(given) == 30


def test_little_is_written() -> None:
    saved: list[int] = []
    sequence = SequenceNumbers(saved=7, save=saved.append)
    for _ in range(BLOCK):
        sequence.next_number()
    assert (sequence.last, saved) == (7 + BLOCK, [7 + BLOCK])
    assert sequence.next_number() == 8 + BLOCK
    assert saved == [7 + BLOCK, 7 + 2 * BLOCK]


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"[]", b'{"reserved": -1}', b'{"reserved": "x"}', b'{"reserved": 1e400}']
)
def test_without_a_sound_file_the_numbers_go_on_far_above_those_that_are_known(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "sequence.json").write_bytes(content)
    assert numbers(tmp_path / "sequence.json", known=5000).next_number() > 5000 + BLOCK


def test_a_disk_that_is_full_stops_nothing() -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    sequence = SequenceNumbers(saved=0, save=full)
    assert [sequence.next_number() for _ in range(3)] == [1, 2, 3]
