"""Photos to measure with: real photos, varied so that no two files have the same content.

By default they are made from the photographs in scikit-image, by crops, flips, scales and exposure. With a
folder of your own its JPEGs are used unchanged, each followed by some unique bytes if more are needed
than there are: a decoder stops at the end of the picture, a digest does not.
"""

from __future__ import annotations

import io
import itertools
import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import skimage
from PIL import Image, ImageEnhance, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg")
_SMALL = (640, 480)
_LARGE = (4000, 3000)
_LARGE_ENOUGH = 11_000_000
_GRAIN = 5
_DAY = 86_400


class Photos:
    """Makes photos on demand and keeps them in a folder, so that all benchmarks of a run share them."""

    def __init__(self, folder: Path, given: Path | None = None) -> None:
        self._folder = folder
        self._given = sorted(path for path in given.rglob("*") if _is_jpeg(path)) if given else []
        if given and not self._given:
            raise SystemExit(f"there is no JPEG in {given}")
        self._noise: np.ndarray | None = None

    def small(self, count: int) -> list[Path]:
        """Return `count` photos of the usual size: about 640 x 480, or that of the given folder."""
        return self._made("small", count, self._copied if self._given else self._varied)

    def large(self, count: int) -> list[Path]:
        """Return `count` photos of 12 megapixels."""
        return self._made("large", count, self._enlarged)

    def _made(self, kind: str, count: int, make: Callable[[int], bytes]) -> list[Path]:
        folder = self._folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number:05}.jpg" for number in range(count)]
        missing = [(number, path) for number, path in enumerate(paths) if not path.exists()]
        # Pillow releases the interpreter's lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for (_, path), data in zip(missing, pool.map(make, (number for number, _ in missing)), strict=True):
                write(path, data)
        return paths

    def _copied(self, number: int) -> bytes:
        data = self._given[number % len(self._given)].read_bytes()
        return unique(data) if number >= len(self._given) else data

    def _varied(self, number: int) -> bytes:
        return _jpeg(_variant(self._base(number), np.random.default_rng(number), _SMALL))

    def _enlarged(self, number: int) -> bytes:
        if self._given:
            path = self._given[number % len(self._given)]
            with Image.open(path) as im:
                if im.width * im.height >= _LARGE_ENOUGH:
                    return unique(path.read_bytes())
        rng = np.random.default_rng(number)
        pixels = np.asarray(_variant(self._base(number), rng, _LARGE)).astype(np.int16)
        # An enlarged photo is smooth and would decode too fast; with grain the file is as large as that of a phone.
        pixels += np.roll(self._grain(), tuple(rng.integers(0, 1000, 2)), (0, 1))
        return _jpeg(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))

    def _base(self, number: int) -> Image.Image:
        bases = self._given or [Path(skimage.__file__).parent / "data" / name for name in _NAMES]
        with Image.open(bases[number % len(bases)]) as im:
            return ImageOps.exif_transpose(im).convert("RGB")

    def _grain(self) -> np.ndarray:
        if self._noise is None:
            noise = np.random.default_rng(0).normal(0, _GRAIN, (_LARGE[1], _LARGE[0], 1))
            self._noise = noise.astype(np.int16)
        return self._noise


class PhotoFeed:
    """Supplies a daemon with new photos, so that it is busy during a measurement."""

    _FOLDER = 512

    def __init__(self, photos: Sequence[Path], root: Path, staging: Path) -> None:
        self._contents = [path.read_bytes() for path in photos]
        self._root = root
        self._staging = staging
        self._folders: list[Path] = []

    def top_up(self, pending: int) -> None:
        """Add another folder of photos if less than one folder is pending."""
        if pending >= self._FOLDER:
            return
        name = f"feed-{len(self._folders)}"
        folder = self._staging / name
        folder.mkdir(parents=True)
        for number, data in zip(range(self._FOLDER), itertools.cycle(self._contents)):
            write(folder / f"{number}.jpg", unique(data))
        folder.rename(self._root / name)
        self._folders.append(self._root / name)

    def withdraw(self) -> None:
        """Remove all of them, embedded or not."""
        while self._folders:
            shutil.rmtree(self._folders.pop())


def linked(photos: Sequence[Path], folder: Path) -> Path:
    """Make a folder of hard links, which can be renamed into a library in one step."""
    folder.mkdir(parents=True)
    for path in photos:
        (folder / path.name).hardlink_to(path)
    return folder


def unique(jpeg: bytes) -> bytes:
    """Return the same picture with another file content."""
    return jpeg + secrets.token_bytes(16)


def write(path: Path, data: bytes) -> None:
    """Write a photo with yesterday's time, so that the daemon does not wait for it to settle."""
    path.write_bytes(data)
    status = path.stat()
    os.utime(path, (status.st_atime - _DAY, status.st_mtime - _DAY))


def _variant(base: Image.Image, rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Return a random part of a photo, randomly flipped and exposed, in the given size."""
    share = rng.uniform(0.6, 1)
    width = share * min(base.width, base.height * size[0] / size[1])
    height = width * size[1] / size[0]
    left, top = rng.uniform(0, base.width - width), rng.uniform(0, base.height - height)
    part = base.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    if rng.random() < 0.5:
        part = ImageOps.mirror(part)
    return ImageEnhance.Brightness(part).enhance(rng.uniform(0.75, 1.25))


def _jpeg(im: Image.Image) -> bytes:
    buffer = io.BytesIO()
    im.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _is_jpeg(path: Path) -> bool:
    return path.suffix.lower() in {".jpg", ".jpeg"} and path.is_file()
