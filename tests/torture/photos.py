"""Real photographs in any number, without a download: parts of those in scikit-image, or those of a folder.

Number N is the same photo in every run. No two have the same content or the same mean colour, since the colour model
must distinguish them, too.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageOps

from phsearch.domain.formats import PHOTO_SUFFIXES

_SOURCES = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg",
    "rocket.jpg", "text.png",
)  # fmt: skip
_FORMATS = ((".jpg", "JPEG", {"quality": 88}), (".png", "PNG", {"compress_level": 1}), (".webp", "WEBP", {"method": 0}))
_TURNS = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180)


def photographs(folder: Path, count: int, own: Path | None = None) -> list[Path]:
    """Put `count` photos of distinct content into `folder`: first those of `own`, linked or copied, if it is given."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = _taken(folder, count, own) if own is not None else []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow releases the interpreter's lock
        paths += pool.map(lambda number: _made(folder, number), range(count - len(paths)))
    distinct = {digest(path) for path in paths}
    assert len(distinct) == len(paths) == count, f"{count} photos wanted, {len(distinct)} distinct ones made"
    return paths


def digest(path: Path) -> bytes:
    """Return the digest of a photo as the index computes it: BLAKE2b of its bytes."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


def with_other_content(photo: Path, number: int) -> bytes:
    """Return another content with the same picture: bytes after the end of a picture are not part of it."""
    return photo.read_bytes() + b"salt" + number.to_bytes(8, "little")


def _taken(folder: Path, count: int, own: Path) -> list[Path]:
    taken: dict[bytes, Path] = {}
    for path in sorted(own.rglob("*")):
        if len(taken) == count:
            break
        if path.suffix.lower() not in PHOTO_SUFFIXES or not path.is_file():
            continue
        key = digest(path)
        if key not in taken:
            taken[key] = folder / f"own-{len(taken):05}{path.suffix.lower()}"
            _link(path, taken[key])
    return list(taken.values())


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _made(folder: Path, number: int) -> Path:
    suffix, kind, how = _FORMATS[number % len(_FORMATS)]
    path = folder / f"{number:05}{suffix}"
    if not path.exists():
        buffer = io.BytesIO()
        _part(number).save(buffer, kind, **how)
        path.write_bytes(buffer.getvalue())
    return path


def _part(number: int) -> Image.Image:
    """Return a part of a photograph, rotated, scaled, and with its own brightness."""
    rng = np.random.default_rng(number)
    whole = _source(_SOURCES[number % len(_SOURCES)])
    share = rng.uniform(0.45, 0.95)
    width, height = share * whole.width, share * whole.height
    left, top = rng.uniform(0, whole.width - width), rng.uniform(0, whole.height - height)
    size = (int(rng.integers(240, 400)), int(rng.integers(200, 320)))
    part = whole.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    turn = _TURNS[rng.integers(len(_TURNS))]
    if turn is not None:
        part = part.transpose(turn)
    light = rng.uniform(0.6, 1.0) * rng.uniform(0.7, 1.0, 3)
    return Image.fromarray((np.asarray(part) * light).astype(np.uint8))


@cache
def _source(name: str) -> Image.Image:
    with Image.open(Path(skimage.__file__).parent / "data" / name) as im:
        return ImageOps.contain(ImageOps.exif_transpose(im).convert("RGB"), (900, 900))
