"""Photos of every format, made here and decoded by the real decoders."""

from __future__ import annotations

import io
import os
import random
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from phsearch.adapters.images import PillowDecoder, geometry
from phsearch.domain import file_type
from phsearch.domain.types import Preprocess
from phsearch.errors import TruncatedImageError, UnreadableImageError
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phsearch.domain.types import Pixels

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the decoder's own filter is undone by pytest

SQUASH = Preprocess(64, 64, "squash", "bicubic")
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 20)
# What undoes each EXIF orientation, to store a picture the way a turned camera does.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
SAVE: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "MPO": {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (300, 200))]},
    "PNG": {},
    "WEBP": {"quality": 95},
    "TIFF": {"compression": "tiff_lzw"},
    "GIF": {},
    "BMP": {},
    "AVIF": {"quality": 95},
    "HEIF": {"quality": 95},
    "JXL": {"quality": 98},
    "JPEG2000": {},
}


@pytest.fixture(scope="module")
def decoder() -> PillowDecoder:
    return PillowDecoder(250_000_000)


def quadrants(size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Red and green above, blue and yellow below."""
    im = Image.new("RGB", size, RED)
    half = (size[0] // 2, size[1] // 2)
    im.paste(GREEN, (half[0], 0, *(size[0], half[1])))
    im.paste(BLUE, (0, half[1], half[0], size[1]))
    im.paste(YELLOW, (*half, *size))
    return im


def stored(orientation: int, size: tuple[int, int] = (300, 200)) -> Image.Image:
    im = quadrants(size)
    return im.transpose(STORED[orientation]) if orientation in STORED else im


def tagged(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def corners(pixels: Pixels) -> list[tuple[int, ...]]:
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(int(value) for value in pixels[place]) for place in places]


def assert_upright(pixels: Pixels, tolerance: int = 25) -> None:
    assert np.abs(np.array(corners(pixels)) - np.array([RED, GREEN, BLUE, YELLOW])).max() <= tolerance


# --- formats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAVE)
def test_every_format_decodes_under_any_name(name: str, decoder: PillowDecoder, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"  # content decides, not the suffix
    quadrants().save(path, name, **SAVE[name])
    decoded = decoder.decode(str(path), SQUASH)
    assert decoded.pixels.shape == (64, 64, 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous
    assert_upright(decoded.pixels)
    shown = {"MPO": "JPEG", "HEIF": "HEIC", "JPEG2000": "JP2"}.get(name, name)
    assert (decoded.info.width, decoded.info.height, decoded.info.format) == (300, 200, shown)


@pytest.mark.parametrize("name", ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_stands_upright(name: str, orientation: int, decoder: PillowDecoder, tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    # As bytes: pillow-heif writes the turn into the container only then.
    stored(orientation).save(path, name, exif=tagged(orientation).tobytes(), **SAVE[name])
    decoded = decoder.decode(str(path), SQUASH)
    assert (decoded.info.width, decoded.info.height) == (300, 200)
    assert_upright(decoded.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_draft_is_turned_too(orientation: int, decoder: PillowDecoder, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    stored(orientation, (1501, 1003)).save(path, exif=tagged(orientation))
    decoded = decoder.decode(str(path), SQUASH)
    assert (decoded.info.width, decoded.info.height) == (1501, 1003)
    assert_upright(decoded.pixels)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_jpeg_inside_jpeg_xl_is_turned_by_its_own_tag(
    orientation: int, decoder: PillowDecoder, tmp_path: Path
) -> None:
    photo, path = tmp_path / "a.jpg", tmp_path / "a.jxl"
    stored(orientation).save(photo, quality=95, exif=tagged(orientation))
    with Image.open(photo) as im:
        im.save(path, lossless_jpeg=True)
    assert_upright(decoder.decode(str(path), SQUASH).pixels)


def test_only_the_first_frame_of_an_animation_counts(decoder: PillowDecoder, tmp_path: Path) -> None:
    for name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        path = tmp_path / name
        quadrants().save(path, name, save_all=True, append_images=[Image.new("RGB", (300, 200), "black")] * 2)
        assert_upright(decoder.decode(str(path), SQUASH).pixels, 40)


def test_camera_raw_is_upright_exactly_once(decoder: PillowDecoder, tmp_path: Path) -> None:
    for orientation in (1, 3, 6, 8):
        lying, upright = stored(orientation, (600, 400)), quadrants((600, 400))
        for preview, tag in ((lying, orientation), (lying, None), (upright, 1)):
            path = tmp_path / "a.dng"
            path.write_bytes(dng(lying.size, orientation, jpeg(preview, tag)))
            decoded = decoder.decode(str(path), SQUASH)
            assert (decoded.info.width, decoded.info.height, decoded.info.format) == (600, 400, "DNG")
            assert decoded.info.camera == "Maker Model 1"
            assert_upright(decoded.pixels)


def test_camera_raw_without_a_usable_preview_is_developed(decoder: PillowDecoder, tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    for preview in (jpeg(quadrants((60, 40)), None), b"\xff\xd8\xff no jpeg"):
        path.write_bytes(dng((400, 600), 6, preview))
        decoded = decoder.decode(str(path), SQUASH)
        assert (decoded.info.width, decoded.info.height) == (600, 400)
        assert np.ptp(decoded.pixels.astype(int)) < 60  # the sensor was evenly lit, the preview was not


def test_a_jpeg_with_a_cameras_suffix_is_a_jpeg(decoder: PillowDecoder, tmp_path: Path) -> None:
    for name in ("JPEG", "TIFF"):
        path = tmp_path / "a.nef"
        quadrants().save(path, name)
        decoded = decoder.decode(str(path), SQUASH)
        assert decoded.info.format == name
        assert_upright(decoded.pixels)


# --- pixel modes --------------------------------------------------------------------------------------------------


def lab(im: Image.Image) -> Image.Image:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(im, to_lab)
    assert converted is not None
    return converted


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("PNG", lambda im: im.convert("P", palette=Image.Palette.ADAPTIVE)),
        ("PNG", lambda im: im.convert("RGBA")),
        ("TIFF", lambda im: im.convert("CMYK")),
        ("JPEG", lambda im: im.convert("CMYK")),
        ("TIFF", lambda im: im.convert("YCbCr")),
        ("TIFF", lab),
    ],
)
def test_every_colour_mode_keeps_its_colours(
    name: str, convert: Callable[[Image.Image], Image.Image], decoder: PillowDecoder, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    convert(quadrants()).save(path, name)
    assert_upright(decoder.decode(str(path), SQUASH).pixels)


RAMP = np.tile(np.linspace(0, 1, 256), (256, 1))


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("PNG", Image.fromarray((RAMP * 65535).astype(np.uint16))),
        ("TIFF", Image.fromarray((RAMP * 65535).astype(np.uint16))),
        ("TIFF", Image.fromarray((RAMP * 4095).astype(np.uint16))),
        ("TIFF", Image.fromarray((RAMP * 65535).astype(np.int32))),
        ("TIFF", Image.fromarray((RAMP * 255).astype(np.int32))),
        ("TIFF", Image.fromarray((RAMP * 1e9 - 5e8).astype(np.int32))),
        ("TIFF", Image.fromarray(RAMP.astype(np.float32))),
        ("TIFF", Image.fromarray((RAMP * 255).astype(np.float32))),
        ("TIFF", Image.fromarray((RAMP * 8000 - 100).astype(np.float32))),
        ("PNG", Image.fromarray((RAMP * 255).astype(np.uint8))),
        ("PNG", Image.fromarray((RAMP * 255).astype(np.uint8)).convert("LA")),
        ("JPEG2000", Image.fromarray((RAMP * 65535).astype(np.uint16))),
    ],
)
def test_deep_greys_are_scaled_and_not_clipped(
    name: str, picture: Image.Image, decoder: PillowDecoder, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    picture.save(path, name)
    row = decoder.decode(str(path), SQUASH).pixels[32, :, 0].astype(int)
    assert np.abs(row - np.linspace(2, 253, 64)).max() <= 4


def test_a_float_picture_with_holes_is_still_a_picture(decoder: PillowDecoder, tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[:10] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert decoder.decode(str(tmp_path / "a.tif"), SQUASH).pixels[40].max() > 240


def test_one_bit_pictures_become_greys(decoder: PillowDecoder, tmp_path: Path) -> None:
    Image.fromarray((RAMP * 255).astype(np.uint8)).convert("1").save(tmp_path / "a.png")
    row = decoder.decode(str(tmp_path / "a.png"), SQUASH).pixels.mean((0, 2))
    assert row[:8].mean() < 60
    assert row[-8:].mean() > 190


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_what_shows_through_is_white(mode: str, decoder: PillowDecoder, tmp_path: Path) -> None:
    im = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    im.paste((0, 0, 0, 255), (40, 0, 80, 80))
    if mode == "P":
        paletted = Image.new("P", (80, 80), 0)
        paletted.putpalette([0, 0, 0, 0, 0, 0])
        paletted.paste(1, (40, 0, 80, 80))
        paletted.save(tmp_path / "a.png", transparency=0)
    else:
        im.convert("RGBA" if mode == "PA" else mode).save(tmp_path / "a.png")
    pixels = decoder.decode(str(tmp_path / "a.png"), SQUASH).pixels
    assert pixels[:, :28].min() >= 254
    assert pixels[:, 36:].max() <= 1


# --- metadata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "JXL"])
def test_metadata_is_read_from_every_format_that_has_it(name: str, decoder: PillowDecoder, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS 6D"
    exif.get_ifd(0x8769).update({0x9003: "2023:06:01 12:30:05", 0x9291: "25", 0x9011: "+02:00", 0xA434: "EF 50mm"})
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 0.0), 3: "E", 4: (151.0, 12.0, 0.0)})
    quadrants().save(tmp_path / "a", name, exif=exif.tobytes())
    info = decoder.decode(str(tmp_path / "a"), SQUASH).info
    assert (info.taken_at, info.camera, info.lens) == ("2023-06-01T12:30:05.25+02:00", "Canon EOS 6D", "EF 50mm")
    assert (info.lat, info.lon) == (-33.85, 151.2)


def test_odd_metadata_never_fails_a_photo(decoder: PillowDecoder, tmp_path: Path) -> None:
    good = jpeg(quadrants(), 6)
    rng = np.random.default_rng(7)
    for _ in range(200):
        data = bytearray(good)
        for place in rng.integers(12, 38, 3):  # within the EXIF block
            data[place] = rng.integers(256)
        (tmp_path / "a.jpg").write_bytes(data)
        assert decoder.decode(str(tmp_path / "a.jpg"), SQUASH).pixels.shape == (64, 64, 3)


# --- what is refused, and how it is said --------------------------------------------------------------------------


def refusal(decoder: PillowDecoder, path: Path) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        decoder.decode(str(path), SQUASH)
    message = str(caught.value)
    assert "0x" not in message
    assert "<" not in message
    assert "Error" not in message
    return caught.value


def test_a_bomb_is_refused_by_its_header(decoder: PillowDecoder, tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    started = time.monotonic()
    error = refusal(decoder, tmp_path / "bomb.png")
    assert str(error) == "30,000 x 30,000 pixels, over the limit of 250 megapixels (index.max_megapixels)"
    assert time.monotonic() - started < scaled(1)


@pytest.mark.parametrize("name", SAVE)
def test_the_limit_holds_for_every_format(name: str, tmp_path: Path) -> None:
    quadrants().save(tmp_path / "a", name, **SAVE[name])
    error = refusal(PillowDecoder(59_999), tmp_path / "a")
    assert str(error) == "300 x 200 pixels, over the limit of 0.1 megapixels (index.max_megapixels)"
    PillowDecoder(60_000).decode(str(tmp_path / "a"), SQUASH)


@pytest.mark.parametrize("size", [(8, 8), (256, 128), (300, 200), (1000, 1000), (640, 480), (9001, 3), (3, 9001)])
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(size: tuple[int, int]) -> None:
    for container in (False, True):
        file = io.BytesIO()
        Image.new("RGB", size).save(file, "JXL", use_container=container, effort=1)
        assert file_type.jxl_size(file.getvalue()) == size


def test_a_fifo_does_not_block(decoder: PillowDecoder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    answer: list[str] = []
    thread = threading.Thread(target=lambda: answer.append(str(refusal(decoder, tmp_path / "a.jpg"))), daemon=True)
    thread.start()
    thread.join(scaled(5))
    assert answer == ["not a regular file"]


def test_a_file_is_refused_in_words(decoder: PillowDecoder, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for content, words in (
        (b"Dear diary,\nno photo today.\n", "plain text, not a photo"),
        ("Grüße".encode(), "plain text, not a photo"),
        (b"<!DOCTYPE html><html>", "markup (HTML, SVG or XML), not a photo"),
        (b"%PDF-1.7 ...", "a PDF document, not a photo"),
        (bytes(5000), "nothing but zeros, not a photo"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "a video, not a photo"),
        (b"BMWs are cars", "plain text, not a photo"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "plain text, not a photo"),
        (random.Random(1).randbytes(100) + b"\xff\xfe", "not a photo in any known format"),
    ):
        path.write_bytes(content)
        assert str(refusal(decoder, path)) == words
    assert str(refusal(decoder, tmp_path)) == "not a regular file"
    with pytest.raises(FileNotFoundError):
        refusal(decoder, tmp_path / "gone.jpg")
    (tmp_path / "a.nef").write_bytes(b"no camera wrote this")
    assert str(refusal(decoder, tmp_path / "a.nef")) == "damaged or unsupported RAW file"


def test_an_empty_file_is_worth_another_try(decoder: PillowDecoder, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    error = refusal(decoder, tmp_path / "a.jpg")
    assert str(error) == "empty file (0 bytes)"
    assert isinstance(error, TruncatedImageError)


@pytest.mark.parametrize("name", [name for name in SAVE if name not in {"JXL", "MPO"}])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_cut_file_is_worth_another_try(name: str, kept: float, decoder: PillowDecoder, tmp_path: Path) -> None:
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8))
    noisy.save(tmp_path / "whole", name, **SAVE[name])
    data = (tmp_path / "whole").read_bytes()
    (tmp_path / "a").write_bytes(data[: int(len(data) * kept)])
    error = refusal(decoder, tmp_path / "a")
    assert isinstance(error, TruncatedImageError)
    assert str(error).startswith("truncated ")


def test_a_name_with_odd_bytes_is_only_a_name(decoder: PillowDecoder, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(path, "wb") as file:
        file.write(jpeg(quadrants(), None))
    assert_upright(decoder.decode(os.fsdecode(path), SQUASH).pixels)


# --- geometry and threads -----------------------------------------------------------------------------------------


def test_a_thread_of_a_panorama_costs_no_more_than_a_photo(decoder: PillowDecoder, tmp_path: Path) -> None:
    for size in ((20_000, 1), (1, 20_000)):
        Image.new("RGB", size, RED).save(tmp_path / "a.png")
        for mode in ("shortest", "longest", "squash"):
            pixels = decoder.decode(str(tmp_path / "a.png"), Preprocess(224, 224, mode, "bicubic", 128)).pixels
            assert pixels.shape == (224, 224, 3)
            assert tuple(pixels[111, 111]) == RED


def test_every_window_lies_within_the_photo() -> None:
    for mode in ("shortest", "longest", "squash"):
        for width in (1, 7, 223, 224, 225, 4001):
            for height in (1, 8, 224, 301, 3000):
                for target in ((224, 224), (128, 96)):
                    chosen = geometry.place((width, height), Preprocess(*target, mode, "bicubic"))
                    for orientation in range(1, 9):
                        size = geometry.rotated((width, height), orientation)
                        left, top, right, bottom = geometry.to_stored(chosen.box, (width, height), orientation, (1, 1))
                        assert -1e-6 <= left < right <= size[0] + 1e-6
                        assert -1e-6 <= top < bottom <= size[1] + 1e-6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_of_the_upright_photo_is_found_in_the_stored_one(orientation: int) -> None:
    upright = np.arange(35, dtype=np.uint8).reshape(5, 7)
    im = Image.fromarray(upright)
    lying = np.asarray(im.transpose(STORED[orientation]) if orientation in STORED else im)
    for y in range(5):
        for x in range(7):
            left, top, right, bottom = geometry.to_stored((x, y, x + 1, y + 1), (7, 5), orientation, (1, 1))
            assert (right - left, bottom - top) == (1, 1)
            assert lying[int(top), int(left)] == upright[y, x]
    assert geometry.to_stored((0, 0, 7, 5), (7, 5), 1, (0.5, 0.25)) == (0, 0, 3.5, 1.25)


def test_threads_may_share_a_decoder(decoder: PillowDecoder, tmp_path: Path) -> None:
    names = [name for name in SAVE if name != "MPO"]
    for name in names:
        quadrants().save(tmp_path / name, name, **SAVE[name])
    with ThreadPoolExecutor(8) as pool:
        for decoded in pool.map(lambda name: decoder.decode(str(tmp_path / name), SQUASH), names * 12):
            assert_upright(decoded.pixels)


def test_the_version_names_every_decoder(decoder: PillowDecoder) -> None:
    for word in ("phsearch", "pillow ", "pillow-heif", "libheif", "rawpy", "LibRaw", "jxl"):
        assert word in decoder.version


# --- files made by hand -------------------------------------------------------------------------------------------


def jpeg(im: Image.Image, orientation: int | None) -> bytes:
    """Make a JPEG as cameras do: with EXIF it begins with that and has no JFIF block."""
    file = io.BytesIO()
    im.save(file, "JPEG", quality=95, **({"exif": tagged(orientation)} if orientation else {}))
    data = file.getvalue()
    return data[:2] + data[20:] if orientation else data


def dng(size: tuple[int, int], orientation: int, preview: bytes) -> bytes:
    """Build the smallest DNG that LibRaw accepts: an evenly lit sensor of `size`, `preview` in IFD0, little-endian."""
    short, long, ascii_, byte, srational, rational = 3, 4, 2, 1, 10, 5
    codes = {short: "H", long: "I", byte: "B", srational: "i", rational: "I"}
    width, height = size
    sensor = struct.pack("<H", 20_000) * (width * height)

    def ifd(at: int, entries: list[tuple[int, int, Any]]) -> bytes:
        table, extra = b"", b""
        for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
            values = value if isinstance(value, tuple) else (value,)
            data = value if isinstance(value, bytes) else struct.pack(f"<{len(values)}{codes[kind]}", *values)
            count = len(data) if kind == ascii_ else len(values) // (2 if kind in {srational, rational} else 1)
            if len(data) > 4:
                place = at + 2 + 12 * len(entries) + 4 + len(extra)
                extra += data + b"\0" * (len(data) % 2)
                data = struct.pack("<I", place)
            table += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
        return struct.pack("<H", len(entries)) + table + bytes(4) + extra

    def main(preview_at: int, sub_at: int) -> bytes:
        return ifd(8, [
            (254, long, 1), (256, long, width), (257, long, height), (258, short, (8, 8, 8)), (259, short, 7),
            (262, short, 6), (271, ascii_, b"Maker\0"), (272, ascii_, b"Model 1\0"), (273, long, preview_at),
            (274, short, orientation), (277, short, 3), (278, long, height), (279, long, len(preview)),
            (330, long, sub_at), (50706, byte, (1, 4, 0, 0)), (50708, ascii_, b"Maker Model 1\0"),
            (50721, srational, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
            (50728, rational, (1, 1, 1, 1, 1, 1)), (50778, short, 21),
        ])  # fmt: skip

    def sub(at: int, sensor_at: int) -> bytes:
        return ifd(at, [
            (254, long, 0), (256, long, width), (257, long, height), (258, short, 16), (259, short, 1),
            (262, short, 32803), (273, long, sensor_at), (277, short, 1), (278, long, height),
            (279, long, len(sensor)), (33421, short, (2, 2)), (33422, byte, (0, 1, 1, 2)), (50717, long, 65535),
        ])  # fmt: skip

    preview += b"\0" * (len(preview) % 2)
    sub_at = 8 + len(main(0, 0))
    preview_at = sub_at + len(sub(sub_at, 0))
    sensor_at = preview_at + len(preview)
    return b"II*\0\x08\0\0\0" + main(preview_at, sub_at) + sub(sub_at, sensor_at) + preview + sensor
