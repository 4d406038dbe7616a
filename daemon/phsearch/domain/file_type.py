"""Detects the format of a file by its first bytes: names can be wrong, and one right decoder is better than ten tries.

It also reads two things that decoders do not report: the size of a JPEG XL picture before it is decoded (its Pillow
plugin decodes while opening), and whether a container ends before its announced end.
"""

from __future__ import annotations

from typing import Literal

from phsearch.domain import formats

ImageFormat = Literal["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "JXL", "AVIF", "HEIF", "RAW"]

RAW_SUFFIXES = frozenset(f".{suffix}" for suffix in formats.RAW_SUFFIXES)

_MAGIC: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\xff\x0a", "JXL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"FUJIFILMCCD-RAW", "RAW"),
    (b"FOVb", "RAW"),
    (b"\0MRM", "RAW"),
    (b"IIRO", "RAW"),
    (b"IIRS", "RAW"),
    (b"MMOR", "RAW"),
    (b"IIU\0", "RAW"),
    (b"II\x1a\0\0\0HEAPCCDR", "RAW"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
# A text about cars may also begin with "BM", so the size of the second header decides.
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document, not a photo"),
    (b"PK\x03\x04", "a ZIP archive, not a photo"),
    (b"8BPS", "a Photoshop document, which is not supported"),
    (b"<", "markup (HTML, SVG or XML), not a photo"),
    (b"\x1aE\xdf\xa3", "a video, not a photo"),
)
_BMFF: frozenset[str] = frozenset({"HEIF", "AVIF", "JPEG2000", "JXL"})


def detect(data: bytes) -> ImageFormat | None:
    """Return the format of `data`, or None if it is not supported."""
    if data[4:8] == b"ftyp":
        return _format_of_brands(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return next((found for magic, found in _MAGIC if data.startswith(magic)), None)


def display_name(data: bytes, image_format: ImageFormat) -> str:
    """Return the name of the format that is shown to people."""
    match image_format:
        case "HEIF":
            return "HEIC" if data[8:11] in {b"hei", b"hev"} else "HEIF"
        case "JPEG2000":
            return "JP2"
        case _:
            return image_format


def describe_unsupported(data: bytes) -> str:
    """Return in words what `data` is instead of a photo."""
    head = data[:512]
    if data[4:8] == b"ftyp":
        return "a video, not a photo"
    for magic, words in _UNSUPPORTED:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(magic):
            return words
    if not head.strip(b"\0"):
        return "nothing but zeros, not a photo"
    try:
        words = head.decode("utf-8")
    except UnicodeDecodeError:
        return "not a photo in any known format"
    return "plain text, not a photo" if words.isprintable() or "\n" in words else "not a photo in any known format"


def is_truncated(data: bytes, image_format: str) -> bool:
    """Whether a container announces more bytes than it has, as a file does that is still being written."""
    if image_format == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data) + 1  # the padding byte is often left out
    if image_format in _BMFF and data[:1] == b"\0":
        return any(end > len(data) for _name, _start, end in _boxes(data))
    if image_format == "TIFF":
        order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        return int.from_bytes(data[4:8], order) >= len(data) and data[2:4] in {b"*\0", b"\0*"}
    return False


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from a JPEG XL header (ISO 18181-1, SizeHeader), or None if it has none."""
    stream = data[:64]
    if data[:1] == b"\0":
        stream = b""
        for name, start, end in _boxes(data):
            if name in {b"jxlc", b"jxlp"}:
                first = start + (4 if name == b"jxlp" else 0)
                stream = data[first : min(end, first + 64)]
                break
    if stream[:2] != b"\xff\x0a":
        return None
    bits = _BitReader(int.from_bytes(stream[2:], "little"))
    small = bits.read_bits(1)
    height = (bits.read_bits(5) + 1) * 8 if small else bits.read_size()
    across, down = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[bits.read_bits(3)]
    if across:
        return height * across // down, height
    return ((bits.read_bits(5) + 1) * 8 if small else bits.read_size()), height


class _BitReader:
    """Reads bits from the lowest upwards, the order of a JPEG XL header."""

    def __init__(self, value: int) -> None:
        self._value = value

    def read_bits(self, count: int) -> int:
        bits = self._value & ((1 << count) - 1)
        self._value >>= count
        return bits

    def read_size(self) -> int:
        return self.read_bits((9, 13, 18, 30)[self.read_bits(2)]) + 1


def _format_of_brands(data: bytes) -> ImageFormat | None:
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    for brand in brands:  # the major brand first; "mif1" means any HEIF, and the compatible brands decide
        if brand in {b"avif", b"avis"}:
            return "AVIF"
        if brand in _HEIF_BRANDS:
            return "HEIF"
        if brand == b"crx ":
            return "RAW"
    return "HEIF" if {b"mif1", b"msf1", b"mif2"} & set(brands) else None


def _boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return the top-level boxes of an ISO container: name, start of the payload, announced end."""
    found: list[tuple[bytes, int, int]] = []
    at = 0
    while at + 8 <= len(data) and len(found) < 1000:  # noqa: PLR2004 - no photo has a thousand top-level boxes
        length, name, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:  # a 64-bit length follows
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = at + length if length else len(data)  # 0: to the end of the file
        if end < start:
            break
        found.append((name, start, end))
        at = end
    return found
