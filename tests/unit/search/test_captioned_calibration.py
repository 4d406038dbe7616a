"""A model is calibrated on photos with captions: what is asked, what is left out, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from phsearch.adapters.files.caption_file import read_captioned
from phsearch.domain.search.relevance import Calibration, probabilities
from phsearch.errors import CannotCalibrateError, UnreadableImageError
from phsearch.service.search.captioned_calibration import MOST_PHOTOS, Calibrated, CaptionedCalibration, spread_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phsearch.domain.types import ModelIdentity, Vectors
    from phsearch.service.search.query_embedder import TextVectorCache
    from phsearch.service.workers.model_state import ModelState

DIM = 16
THINGS = ("dog", "cat", "boat", "tree", "car", "cake", "bird", "flower", "house", "horse", "river", "bridge")
IDENTITY = cast("ModelIdentity", object())


def unit(seed: int) -> Vectors:
    found = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    vector: Vectors = found / np.linalg.norm(found)
    return vector


class Rig:
    """A model that sees what a file's name says, more or less, and reads what a text names."""

    def __init__(self) -> None:
        self.epoch, self.bound = 0, IDENTITY
        self.unreadable: set[str] = set()
        self.saved: list[Calibration] = []
        self.made = 0
        self.calibration = CaptionedCalibration(
            model=cast("ModelState", self),
            text_vectors=cast("TextVectorCache", self),
            image_embedder=self,
            read=read_captioned,
            save=lambda _identity, made: self.saved.append(made),
            made=self._count,
        )

    def _count(self) -> None:
        self.made += 1

    def check_ready(self) -> None:
        """Return, as a model that is ready."""

    async def image_vector(self, path: str) -> Vectors:
        """Return the vector of a photo."""
        name = path.rpartition("/")[2]
        if name in self.unreadable:
            raise UnreadableImageError("not a photo")
        vector = unit(THINGS.index(name.partition("-")[0])) + 0.5 * unit(sum(name.encode()))
        found: Vectors = vector / np.linalg.norm(vector)
        return found

    async def text_vector(self, text: str, templates: Sequence[str]) -> Vectors:
        """Return the vector of a text; templates make it worse."""
        await asyncio.sleep(0)
        named = [unit(number) for number, thing in enumerate(THINGS) if thing in text]
        vector = np.sum([*named, 0.2 * unit(len(text) + 100), (len(templates) - 1) * unit(999)], axis=0)
        found: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
        return found


def write(folder: Path, photos: int, lines: Sequence[str] = ("a {}", "one {} there"), extra: str = "") -> str:
    said = []
    for number in range(photos):
        thing = THINGS[number % len(THINGS)]
        said += [f"{thing}-{number:04}.jpg\t{line.format(thing)}\n" for line in lines]
    (folder / "captions.tsv").write_text("".join(said) + extra)
    return str(folder)


def calibrate(rig: Rig, folder: str) -> Calibrated:
    return asyncio.run(rig.calibration.calibrate(folder))


def test_what_captions_agree_on_tells_the_meant_from_the_others(tmp_path: Path) -> None:
    rig = Rig()
    made = calibrate(rig, write(tmp_path, 240))
    assert (made.photos, made.skipped, rig.made) == (240, 0, 1)
    assert made.queries > len(THINGS)
    (found,) = rig.saved
    assert found.captioned
    assert found.templates == ("{}",), "templates find no better here"
    dog = asyncio.run(rig.text_vector("dog", found.templates))
    photos = np.stack([asyncio.run(rig.image_vector(f"{thing}-{n}.jpg")) for thing in THINGS for n in range(20)])
    probability = probabilities(found, dog, photos @ dog, "words")
    assert probability is not None
    assert probability[:20].min() > 0.5 > probability[20:].max()


def test_photos_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    rig = Rig()
    rig.unreadable = {"dog-0000.jpg", "cat-0001.jpg"}
    assert calibrate(rig, write(tmp_path, 120)).skipped == 2


def test_one_caption_a_photo_suffices_and_photos_as_queries_count_as_for_any_model(tmp_path: Path) -> None:
    rig = Rig()
    assert calibrate(rig, write(tmp_path, 120, lines=("a {}",))).queries == 120


def test_too_few_photos_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    rig = Rig()
    with pytest.raises(CannotCalibrateError, match=r"99 photos with captions in .* can be read, and 100 are needed"):
        calibrate(rig, write(tmp_path, 99))
    assert not rig.saved


def test_captions_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    rig = Rig()
    with pytest.raises(CannotCalibrateError, match="do not tell its photos apart"):
        calibrate(rig, write(tmp_path, 120, lines=("holiday", "my holiday")))
    assert not rig.saved


def test_a_model_that_was_changed_meanwhile_gets_no_calibration(tmp_path: Path) -> None:
    rig = Rig()
    look = rig.image_vector

    async def change(path: str) -> Vectors:
        rig.epoch = 1
        return await look(path)

    rig.image_vector = change  # type: ignore[method-assign]
    with pytest.raises(CannotCalibrateError, match="another model took over"):
        calibrate(rig, write(tmp_path, 120))
    assert not rig.saved


def test_two_at_once_are_one_and_a_refusal(tmp_path: Path) -> None:
    rig, folder = Rig(), write(tmp_path, 120)

    async def both() -> list[Calibrated | BaseException]:
        return await asyncio.gather(*(rig.calibration.calibrate(folder) for _ in "12"), return_exceptions=True)

    made, refused = asyncio.run(both())
    assert isinstance(made, Calibrated)
    assert isinstance(refused, CannotCalibrateError)
    assert "already" in str(refused)
    assert calibrate(rig, folder).photos == 120, "the next one may"


def test_of_many_photos_a_thousand_are_taken_from_all_over(tmp_path: Path) -> None:
    photos = read_captioned(write(tmp_path, 2_500))
    taken = spread_out(photos, MOST_PHOTOS)
    assert len(taken) == MOST_PHOTOS
    assert (taken[0], taken[-1]) == (photos[0], photos[-1])


def test_names_that_lead_out_of_the_folder_and_bad_lines_are_left_out(tmp_path: Path) -> None:
    extra = "/etc/passwd\tx\n../a.jpg\tx\nsub/../../a.jpg\tx\nno tab\n\tno name\nblank.jpg\t \n"
    (tmp_path / "images").mkdir()
    found = read_captioned(write(tmp_path, 1, extra=extra))
    assert [photo.path for photo in found] == [tmp_path / "images" / "dog-0000.jpg"]
    assert found[0].captions == ("a dog", "one dog there")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00\t\n", b"a photo without a tab\n"])
def test_a_folder_without_captions_says_what_belongs_there(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "captions.tsv").write_bytes(content)
    with pytest.raises(CannotCalibrateError, match=r"captions\.tsv") as refused:
        read_captioned(str(tmp_path))
    assert "a tab, the caption" in refused.value.hint
