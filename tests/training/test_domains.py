"""Labelled photos: read, split, and put into words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.lazy import LazyModule

if TYPE_CHECKING:
    from training.photos.domains import LabelledPhoto

domains = LazyModule("training.photos.domains")
labels = LazyModule("training.words.labels")


@pytest.fixture
def photos(tmp_path: Path) -> tuple[LabelledPhoto, ...]:
    """Return twenty tulips, two roses, and a set of one beach."""
    for kind, names in {"flowers": ["tulip"] * 20 + ["rose"] * 2, "scenes": ["beach"]}.items():
        (tmp_path / kind).mkdir()
        lines = (f"{number}.jpg\t{name}\n" for number, name in enumerate(names))
        (tmp_path / kind / "labels.tsv").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "captioned").mkdir()
    (tmp_path / "captioned" / "captions.tsv").write_text("1.jpg\ta beach\n", encoding="utf-8")
    found: tuple[LabelledPhoto, ...] = domains.read_domains(tmp_path)
    return found


def test_each_line_of_a_set_is_a_photo_with_its_label(photos: tuple[LabelledPhoto, ...], tmp_path: Path) -> None:
    assert len(photos) == 23
    assert photos[-1] == domains.LabelledPhoto(tmp_path / "scenes" / "images" / "0.jpg", "scenes", "beach")


def test_some_of_each_label_are_kept_and_no_photo_is_on_both_sides(photos: tuple[LabelledPhoto, ...]) -> None:
    split = domains.split_domains(photos)
    kept = [photo.label for photo in split.validation]
    assert (kept.count("tulip"), kept.count("rose"), kept.count("beach")) == (2, 1, 1)
    assert not {photo.path for photo in split.train} & {photo.path for photo in split.validation}
    assert len(split.train) + len(split.validation) == len(photos)


def test_the_split_does_not_depend_on_the_order(photos: tuple[LabelledPhoto, ...]) -> None:
    forwards, backwards = domains.split_domains(photos), domains.split_domains(photos[::-1])
    assert set(forwards.validation) == set(backwards.validation)


def test_nothing_is_learned_from_a_set_that_is_left_out(photos: tuple[LabelledPhoto, ...]) -> None:
    split = domains.split_domains(photos, {"flowers"})
    assert not any(photo.kind == "flowers" for photo in split.train)
    assert sum(photo.kind == "flowers" for photo in split.validation) == 22


def test_a_label_becomes_sentences_with_the_right_article() -> None:
    sentences = labels.sentences_of("instruments30", "accordion")
    assert "a man playing the accordion" in sentences
    assert "an accordion" in sentences
    assert "a accordion" not in sentences


def test_a_set_that_nobody_described_gets_plain_sentences() -> None:
    assert labels.sentences_of("new", "harbour") == (
        "harbour",
        "a photo of harbour",
        "harbour photo",
        "a picture of harbour",
    )


@pytest.mark.parametrize(
    ("kind", "label", "wider"),
    [
        ("animals", "African penguin", {"penguin", "bird", "animal"}),
        ("food101", "ramen", {"soup", "noodles", "food"}),
        ("pacs", "painting of an elephant", {"painting", "elephant"}),
        ("gray15", "black and white photo of a kitchen", {"black and white photo", "kitchen"}),
    ],
)
def test_a_label_brings_the_wider_words_that_are_true_of_its_photos(kind: str, label: str, wider: set[str]) -> None:
    terms = labels.terms_of(kind, label)
    assert terms[0] == label
    assert wider <= set(terms)


def test_every_wider_word_has_labels_and_no_label_twice() -> None:
    path = Path(__file__).parents[2] / "daemon/training/words/broader.txt"
    for line in path.read_text(encoding="ascii").splitlines():
        word, colon, members = line.partition(": ")
        assert word
        assert colon
        assert members
        assert len(set(members.split("; "))) == len(members.split("; "))
