"""The split that keeps the test honest."""

from __future__ import annotations

from pathlib import Path

from phsearch.domain.calibration.captioned import CaptionedPhoto, tidy
from support.lazy import LazyModule

data = LazyModule("training.photos.data")


def photos(count: int) -> tuple[CaptionedPhoto, ...]:
    return tuple(CaptionedPhoto(Path(f"{i:05}.jpg"), ("a photo",)) for i in range(count))


def names(part: tuple[CaptionedPhoto, ...]) -> set[str]:
    return {photo.path.name for photo in part}


def test_no_photo_is_in_two_parts_and_none_is_lost() -> None:
    parts = data.split(photos(200), dev=50, validation=20)
    train, validation, dev = names(parts.train), names(parts.validation), names(parts.dev)
    assert (len(train), len(validation), len(dev)) == (130, 20, 50)
    assert not train & validation
    assert not train & dev
    assert not validation & dev


def test_the_order_of_the_photos_does_not_change_the_split() -> None:
    forwards = data.split(photos(200), dev=50, validation=20)
    backwards = data.split(photos(200)[::-1], dev=50, validation=20)
    assert forwards == backwards


def test_the_split_is_the_same_on_every_machine() -> None:
    assert sorted(names(data.split(photos(12), dev=3, validation=3).dev)) == [
        "00000.jpg",
        "00004.jpg",
        "00009.jpg",
    ]


def test_captions_are_read_in_any_order_and_lines_without_a_photo_passed_over(
    tmp_path: Path,
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b.jpg").touch()
    (tmp_path / "images" / "a.jpg").touch()
    lines = "b.jpg\tA dog .\na.jpg\tTwo cats , asleep .\nb.jpg\tA brown dog\ngone.jpg\tNobody\n"
    (tmp_path / "captions.tsv").write_text(lines, encoding="utf-8")
    found = data.read_captions(tmp_path)
    assert [photo.path.name for photo in found] == ["a.jpg", "b.jpg"]
    assert found[0].captions == ("Two cats, asleep",)
    assert found[1].captions == ("A dog", "A brown dog")


def test_a_tokenised_caption_reads_like_a_sentence_again() -> None:
    assert tidy("A dog , a cat and  a boy .") == "A dog, a cat and a boy"
