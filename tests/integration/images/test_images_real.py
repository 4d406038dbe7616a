"""Real photos and hostile files: compared with the reference decode, and with a time limit.

The reference is the slow and obvious way: all pixels decoded, turned upright, made sRGB, then open_clip's transform.
"""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skimage
from PIL import Image, ImageCms, ImageOps

import phsearch
from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Preprocess
from phsearch.errors import UnreadableImageError
from support.bundled import bundled_image_tower
from support.time_limits import scaled

if TYPE_CHECKING:
    from phsearch.domain.types import Pixels

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the decoder's own filter is undone by pytest

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
MINI = Path(str(files(phsearch))) / "models" / "mini"
PREPROCESSINGS = [
    Preprocess(260, 260, "shortest", "bicubic"),
    Preprocess(224, 224, "longest", "bilinear", 127),
    Preprocess(224, 224, "squash", "bicubic"),
    Preprocess(224, 192, "shortest", "bilinear"),
    Preprocess(192, 224, "longest", "bicubic"),
]


@pytest.fixture(scope="module")
def decoder() -> PillowDecoder:
    return PillowDecoder(250_000_000)


def photos(most: int) -> list[Path]:
    """Return COCO photos, or those of scikit-image on a machine without them."""
    found = sorted((DATA / "coco" / "images").glob("*.jpg"))
    if not found:
        folder = Path(skimage.__file__).parent / "data"
        names = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg")
        found = [folder / name for name in names if (folder / name).exists()]
    return found[:most]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Store photos three times as large, so that a draft is worth it, and in every orientation of EXIF."""
    folder, paths = tmp_path_factory.mktemp("large"), []
    for number, photo in enumerate(photos(12)):
        exif = Image.Exif()
        exif[0x0112] = number % 8 + 1
        paths.append(folder / f"{number}.jpg")
        with Image.open(photo) as im:
            big = im.convert("RGB").resize((im.width * 3, im.height * 3), Image.Resampling.BICUBIC)
            big.save(paths[-1], quality=92, exif=exif)
    return paths


@functools.cache
def transform(preprocess: Preprocess) -> Any:
    from phsearch.adapters.clip.open_clip_library import open_clip  # noqa: PLC0415 - it takes seconds

    square = preprocess.width == preprocess.height
    return open_clip.image_transform(
        preprocess.width if square else (preprocess.height, preprocess.width),
        is_train=False,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        resize_mode=preprocess.mode,
        interpolation=preprocess.interpolation,
        fill_color=preprocess.fill,
    )


def reference(path: Path, preprocess: Preprocess) -> Pixels:
    with Image.open(path) as im:
        upright = ImageOps.exif_transpose(im).convert("RGB")
        if profile := im.info.get("icc_profile"):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            ImageCms.profileToProfile(upright, source, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC, inPlace=True)
    pixels: Pixels = transform(preprocess)(upright).mul(255).round().byte().permute(1, 2, 0).numpy()
    return pixels


def has_profile(path: Path) -> bool:
    with Image.open(path) as im:
        return "icc_profile" in im.info


@pytest.mark.parametrize("preprocess", PREPROCESSINGS, ids=lambda p: f"{p.mode}-{p.width}x{p.height}")
def test_small_photos_are_what_open_clip_makes_of_them(preprocess: Preprocess, decoder: PillowDecoder) -> None:
    for path in photos(12):
        got = decoder.decode(str(path), preprocess).pixels.astype(int)
        difference = np.abs(got - reference(path, preprocess))
        assert difference.max() <= 8  # Pillow may swap its two passes, and then clips overshoot elsewhere
        assert difference.mean() < (0.5 if has_profile(path) else 0.25)  # a profile is applied after the resize


@pytest.mark.parametrize("preprocess", PREPROCESSINGS, ids=lambda p: f"{p.mode}-{p.width}x{p.height}")
def test_drafts_are_close_to_the_full_decode(preprocess: Preprocess, decoder: PillowDecoder, large: list[Path]) -> None:
    for path in large[:8]:
        got = decoder.decode(str(path), preprocess).pixels.astype(int)
        difference = np.abs(got - reference(path, preprocess))
        assert difference.mean() < 1
        assert difference.max() <= 32


def test_drafts_mean_the_same_to_the_bundled_model(decoder: PillowDecoder, large: list[Path]) -> None:
    if not any(MINI.glob("open_clip*.safetensors")):
        pytest.skip("no weights in phsearch/models/mini")
    assert_drafts_mean_the_same("mini", decoder, large)


def assert_drafts_mean_the_same(model: str, decoder: PillowDecoder, large: list[Path]) -> None:
    tower = bundled_image_tower(model)
    quick, full = [], []
    for path in large:
        quick.append(decoder.decode(str(path), tower.info.preprocess).pixels)
        full.append(reference(path, tower.info.preprocess))
    cosines = (tower.embed(quick) * tower.embed(full)).sum(-1)
    print(f"cosine of drafts: lowest {cosines.min():.4f}, median {np.median(cosines):.4f}")
    assert cosines.min() >= 0.99
    assert np.median(cosines) >= 0.998


def test_every_photo_of_the_collection_decodes_or_says_why(decoder: PillowDecoder) -> None:
    folder = DATA / "formats"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/formats on this machine")
    decoded, reasons = 0, {}
    for path in sorted(folder.iterdir()):
        started = time.monotonic()
        try:
            assert decoder.decode(str(path), PREPROCESSINGS[0]).pixels.shape == (260, 260, 3)
            decoded += 1
        except UnreadableImageError as error:
            reasons[path.name] = str(error)
        assert time.monotonic() - started < scaled(5), path.name
    print(f"{decoded} of {decoded + len(reasons)} decoded")
    assert decoded >= 107, reasons


def test_turned_photos_of_the_collection_are_alike(decoder: PillowDecoder) -> None:
    paths = sorted((DATA / "formats").glob("exif-orientation__Landscape_[1-8].jpg"))
    if not paths:
        pytest.skip("no ../shared/data/formats on this machine")
    pictures = [decoder.decode(str(path), PREPROCESSINGS[0]).pixels.astype(int) for path in paths]
    for picture in pictures[1:]:
        assert np.abs(picture - pictures[0]).mean() < 8  # the eight carry their number in the picture


# In a separate process: these files are made to crash decoders. One line per file, so that the cause is known.
HOSTILE = """
import sys, time
from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import Preprocess
from phsearch.errors import UnreadableImageError
decoder, preprocess = PillowDecoder(250_000_000), Preprocess(260, 260, "shortest", "bicubic")
for path in sys.stdin.read().split("\\0"):
    print("start", path, flush=True)
    began = time.monotonic()
    try:
        decoder.decode(path, preprocess)
        said = "decoded"
    except UnreadableImageError as error:
        said = str(error)
    print("end", f"{time.monotonic() - began:.3f}", said, flush=True)
"""


def test_files_made_to_hurt_do_not(tmp_path: Path) -> None:
    folder = DATA / "malformed"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/malformed on this machine")
    paths = sorted(str(path) for path in folder.iterdir())
    environment = {**os.environ, "PYTHONPATH": str(Path(str(files(phsearch))).parent)}
    run = subprocess.run(
        [sys.executable, "-c", HOSTILE],
        input="\0".join(paths), capture_output=True, text=True, timeout=scaled(60), cwd=tmp_path, env=environment,
        check=False,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert run.returncode == 0, (lines[-1:], run.stderr[-2000:])
    ends = [line.split(" ", 2) for line in lines if line.startswith("end ")]
    assert len(ends) == len(paths)
    print(f"{sum(said == 'decoded' for _end, _seconds, said in ends)} of {len(paths)} decoded")
    for _end, seconds, said in ends:
        assert float(seconds) < 5
        assert "0x" not in said
        assert "Error" not in said
