"""Prints the quality of the bundle on photos it was not trained on.

python daemon/training/evaluate.py --data DIR [--model FOLDER] [--served] [--words] [--speed]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from phsearch.adapters import openvino
from phsearch.adapters.images import PillowDecoder
from phsearch.domain.calibration.captioned import CaptionedPhoto
from phsearch.domain.types import RuntimePlan
from training import towers
from training.figures import metrics, sanity, validate
from training.figures.embed import Embedder
from training.photos import data, domains
from training.words import vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.kinds import Model

MINI = Path(__file__).resolve().parents[1] / "phsearch" / "models" / "mini"
_MOST_PIXELS = 250_000_000
SPEED_BATCH = 16
SPEED_ROUNDS = 8


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    figures: metrics.Recall

    def __str__(self) -> str:
        """Print as a line."""
        return f"{self.name:<58} {self.figures}"


class ServedEmbedder:
    """The bundle as phsearch's workers run it: its own decoder, and the graphs without torch."""

    def __init__(self, folder: Path) -> None:
        plan = RuntimePlan.plain(str(folder))
        self._image_tower, self._text_tower = openvino.load_image_tower(plan), openvino.load_text_tower(plan)
        self._decoder = PillowDecoder(_MOST_PIXELS)

    def photos(self, paths: Sequence[Path]) -> torch.Tensor:
        """Return unit vectors of photos on disk."""
        preprocess = self._image_tower.info.preprocess
        found = [self._image_tower.embed([self._decoder.decode(str(path), preprocess).pixels]) for path in paths]
        return torch.from_numpy(np.concatenate(found))

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return unit vectors of texts."""
        return torch.from_numpy(np.concatenate([self._text_tower.embed([text]) for text in texts]))


def retrieval(embedder: Embedder | ServedEmbedder, name: str, photos: Sequence[CaptionedPhoto]) -> Row:
    """Measure the search of a gallery by each of its captions."""
    gallery = embedder.photos([photo.path for photo in photos])
    captions = [caption for photo in photos for caption in photo.captions]
    answers = torch.tensor([i for i, photo in enumerate(photos) for _ in photo.captions])
    title = f"{name} ({len(photos)} photos, {len(captions)} captions)"
    return Row(title, metrics.recall(embedder.texts(captions), gallery, answers))


def zero_shot(embedder: Embedder, photos: Sequence[Path]) -> Row:
    """Measure the classification of each class photo.  They were trained on: this is only a sanity check."""
    names = [f"a photo of a {names[0]}" for names in vocabulary.class_names()]
    answers = torch.arange(len(photos))
    recall = metrics.recall(embedder.photos(photos), embedder.texts(names), answers)
    return Row("ImageNet sample, photo -> class name (distilled on)", recall)


def named_sets(embedder: Embedder, photos: Sequence[domains.LabelledPhoto]) -> str:
    """Measure for each labelled set how many of the photos kept for choices have their own label first."""
    found = validate.named(photos, embedder.photos([photo.path for photo in photos]), embedder.texts)
    mean = validate.mean_of(found)
    lines = [f"own label first, of {len(photos)} labelled photos: mean of {len(found)} sets {mean:.1f}"]
    return "\n".join(lines + [f"  {kind:<16} {share:5.1f}" for kind, share in found.items()])


def speed(embedder: Embedder) -> list[str]:
    """Measure the image tower on this machine's CPU, and one text."""
    batch = torch.randn(SPEED_BATCH, 3, embedder.size, embedder.size)
    lines = []
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        tower = embedder.model.visual.to(dtype=dtype, memory_format=torch.channels_last)
        images = batch.to(dtype=dtype, memory_format=torch.channels_last)
        best = min(_seconds(tower, images) for _ in range(SPEED_ROUNDS))
        lines.append(f"image tower, {name}, batch {SPEED_BATCH}: {SPEED_BATCH / best:.0f} photos/s")
    embedder.model.visual.float()
    tokens = embedder.tokenize(["a dog on the beach"])
    best = min(_seconds(embedder.model.text, tokens) for _ in range(SPEED_ROUNDS))
    lines.append(f"text tower, float32, one text: {1000 * best:.1f} ms")
    return lines


@torch.inference_mode()
def _seconds(tower: Model, batch: torch.Tensor) -> float:
    start = time.perf_counter()
    tower(batch)
    return time.perf_counter() - start


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="holds flickr8k/, coco/, ...")
    parser.add_argument("--model", type=_folder, default=MINI, help="a bundle's folder")
    parser.add_argument("--served", action="store_true", help="only the ranking, as phsearch's workers compute it")
    parser.add_argument("--words", action="store_true", help="also show what words find")
    parser.add_argument("--speed", action="store_true", help="also time the towers")
    parser.add_argument("--resize", help="instead of the bundle's own resize_mode")
    parser.add_argument("--validation", action="store_true", help="only the validation photos")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    args = arguments()
    embedder = Embedder.of(*towers.load_bundle(args.model))
    if args.resize:
        embedder = replace(embedder, resize_mode=args.resize)
    flickr = data.split(data.read_captions(args.data / "flickr8k"))
    print(f"{'text -> photo, per cent':<58}   R@1   R@5  R@10")
    if args.served:
        served = ServedEmbedder(args.model)
        print(retrieval(served, "Flickr8k dev", flickr.dev))
        print(retrieval(served, "COCO", data.read_captions(args.data / "coco")))
        return
    if args.validation:
        print(retrieval(embedder, "Flickr8k validation", flickr.validation))
        return
    print(retrieval(embedder, "Flickr8k dev", flickr.dev))
    coco = data.read_captions(args.data / "coco")
    print(retrieval(embedder, "COCO", coco))
    classes = data.class_photos(args.data / "imagenet-sample")
    print(zero_shot(embedder, classes))
    print(named_sets(embedder, domains.split_domains(domains.read_domains(args.data / "domains")).validation))
    if args.words:
        captioned = [*flickr.dev, *coco]
        names = [path.stem.partition("_")[2].replace("_", " ") for path in classes]
        sample = [CaptionedPhoto(p, (n,)) for p, n in zip(classes, names, strict=True)]
        for line in sanity.report(embedder, [*captioned, *sample]):
            print(line)
    if args.speed:
        for line in speed(embedder):
            print(line)


def _folder(name: str) -> Path:
    return Path(name.removeprefix("local-dir:"))


if __name__ == "__main__":
    main()
