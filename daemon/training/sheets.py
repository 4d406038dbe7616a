"""Draws a contact sheet of the first ten photos for each question that people ask first, to be looked at.

python daemon/training/sheets.py --data DIR --out FOLDER [--model FOLDER]

The library is mixed: captioned photos, labelled ones of every set, COCO.  Most were never trained on; the frame of a
photo that was is red, so that what was learned by heart is not praised.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from training.evaluate import MINI, ServedEmbedder
from training.photos import augment, data, domains

QUESTIONS = (
    "sunset at the beach",
    "birthday cake",
    "my receipts",
    "cat on the sofa",
    "snowy mountains",
    "pasta",
    "a red car",
    "children playing football",
    "wedding",
    "screenshot",
    "baby",
    "concert at night",
    "whiteboard with notes",
    "flowers",
    "city at night",
    "a dog",
    "dogs",
)
LIBRARY = 3000
FIRST = 10
ACROSS = 5
SIDE = 220
EDGE = 4
CAPTION = 16


@dataclass(frozen=True)
class Photo:
    """One photo of the library, and whether it was trained on."""

    path: Path
    trained: bool


def library(folder: Path, seed: int) -> tuple[Photo, ...]:
    """Return the photos: all that were kept for choices and results, filled up with others."""
    flickr = data.split(data.read_captions(folder / "flickr8k"))
    labelled = domains.split_domains(domains.read_domains(folder / "domains"))
    coco = data.read_captions(folder / "coco")
    captioned = [photo.path for photo in (*flickr.validation, *flickr.dev, *coco)]
    new = [Photo(path, trained=False) for path in (*captioned, *(photo.path for photo in labelled.validation))]
    old = [Photo(photo.path, trained=True) for photo in labelled.train]
    random.Random(seed).shuffle(old)  # noqa: S311
    return (*new, *old[: LIBRARY - len(new)])


def sheet(hits: list[tuple[Photo, float]]) -> Image.Image:
    """Return the photos in rows, with their scores."""
    rows = -(-len(hits) // ACROSS)
    page = Image.new("RGB", (ACROSS * SIDE, rows * (SIDE + CAPTION)), "white")
    draw = ImageDraw.Draw(page)
    for number, (photo, score) in enumerate(hits):
        place = (number % ACROSS * SIDE, number // ACROSS * (SIDE + CAPTION))
        inner = ImageOps.contain(augment.load(photo.path), (SIDE - 2 * EDGE, SIDE - 2 * EDGE))
        framed = ImageOps.expand(inner, EDGE, "red" if photo.trained else "white")
        page.paste(framed, place)
        draw.text((place[0] + EDGE, place[1] + SIDE), f"{score:.3f} {photo.path.parent.parent.name}", fill="black")
    return page


def main() -> None:
    """Write one PNG a question."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="holds flickr8k/, coco/, domains/")
    parser.add_argument("--model", type=Path, default=MINI, help="a bundle's folder")
    parser.add_argument("--out", type=Path, required=True, help="where to write the sheets")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    photos = library(args.data, seed=1)
    embedder = ServedEmbedder(args.model)
    gallery = embedder.photos([photo.path for photo in photos])
    for question in QUESTIONS:
        best = (embedder.texts([question]) @ gallery.T)[0].topk(FIRST)
        hits = [(photos[at], score) for score, at in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
        sheet(hits).save(args.out / f"{question.replace(' ', '-')}.png")
        print(f"{question}: {sum(photo.trained for photo, _ in hits)} of {FIRST} were trained on")


if __name__ == "__main__":
    main()
