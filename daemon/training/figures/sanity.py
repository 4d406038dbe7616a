"""A check by eye: photos from scikit-image, and words that people type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import skimage
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from training.figures.embed import Embedder

# File in skimage/data, and a query for it.
QUERIES: dict[str, tuple[str, ...]] = {
    "chelsea.png": ("a cat", "kitten"),
    "coffee.png": ("a cup of coffee", "coffee", "espresso"),
    "rocket.jpg": ("a rocket taking off", "rocket launch"),
    "coins.png": ("coins", "old money"),
    "astronaut.png": ("an astronaut", "a woman in a space suit"),
    "motorcycle_left.png": ("a motorcycle", "motorbike in a garage"),
    "moon.png": ("the moon", "craters on the moon"),
    "grass.png": ("grass", "a lawn"),
    "brick.png": ("a brick wall", "bricks"),
    "gravel.png": ("gravel", "small stones"),
    "camera.png": ("a man with a camera", "a photographer with a tripod"),
    "page.png": ("a page of text", "document"),
    "text.png": ("handwriting", "handwritten text"),
    "hubble_deep_field.jpg": ("galaxies", "stars in space"),
    "retina.jpg": ("the retina of an eye",),
    "horse.png": ("a horse", "silhouette of a horse"),
    "clock_motion.png": ("a clock",),
    "ihc.png": ("cells under a microscope",),
}

EVERYDAY = (
    "sunset beach wedding snow dog baby car food screenshot receipt mountain flower boat bicycle football "
    "horse train pizza city night river bridge children guitar tree "
)
WORDS = tuple(EVERYDAY.split())
PHRASES = (
    "birthday cake",
    "a dog playing in the snow",
    "people at a party",
    "a child on a swing",
    "a red car",
    "sunset over the sea",
    "a person climbing a rock",
    "a plate of food",
)
FIRST = 3


def demo_photos() -> dict[str, Image.Image]:
    """Return the photos of ``QUERIES`` that the installed scikit-image ships."""
    folder = Path(skimage.__file__).parent / "data"
    return {name: Image.open(folder / name).convert("RGB") for name in QUERIES if (folder / name).exists()}


def demo(embedder: Embedder) -> Iterator[str]:
    """Search the demo photos; yield the rank of the right one and its margin."""
    photos = demo_photos()
    names = list(photos)
    gallery = embedder.images(list(photos.values()))
    found = asked = 0
    for name, queries in QUERIES.items():
        if name not in photos:
            continue
        for query in queries:
            similarity = (embedder.texts([query]) @ gallery.T)[0]
            mine = similarity[names.index(name)]
            others = similarity.clone()
            others[names.index(name)] = -1
            rank = int((others > mine).sum()) + 1
            asked, found = asked + 1, found + (rank == 1)
            margin = float(mine - others.max())
            best = names[int(others.argmax())]
            yield f"  {query:<30} {name:<24} place {rank:>2}  margin {margin:+.3f} over {best}"
    yield f"  {found} of {asked} first"


def words(embedder: Embedder, photos: Sequence[CaptionedPhoto]) -> Iterator[str]:
    """Yield the captions of the first hits of everyday searches."""
    gallery = embedder.photos([photo.path for photo in photos])
    for query in (*WORDS, *PHRASES):
        similarity = (embedder.texts([query]) @ gallery.T)[0]
        best = similarity.topk(FIRST)
        yield f"  {query}"
        for value, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            photo = photos[index]
            yield f"    {value:.3f} {photo.path.name:<36} {photo.captions[0][:70]}"


def report(embedder: Embedder, photos: Sequence[CaptionedPhoto]) -> Iterator[str]:
    """Yield the lines of both."""
    yield "scikit-image's photos"
    yield from demo(embedder)
    yield "everyday words"
    yield from words(embedder, photos)
