"""What a file is, by its first bytes: names lie, and one decoder asked is better than ten guessing.

Also the two questions whose answers must be known before a decoder runs or after it gave up: how large is a JPEG XL
picture (its Pillow plugin decodes while opening), and does a container end before it says it does.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "JXL", "AVIF", "HEIF", "RAW"]

# fmt: off
RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
})
# fmt: on

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
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
# "BM" alone also begins a text about cars; the size of the second header tells.
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


def detect(data: bytes) -> Kind | None:
    """Name the format of `data`, or None when it is none of ours."""
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return next((found for magic, found in _MAGIC if data.startswith(magic)), None)


def shown_name(data: bytes, found: Kind) -> str:
    """Give the format's name as the owner knows it."""
    match found:
        case "HEIF":
            return "HEIC" if data[8:11] in {b"hei", b"hev"} else "HEIF"
        case "JPEG2000":
            return "JP2"
        case _:
            return found


def describe_unsupported(data: bytes) -> str:
    """Say in words what `data` is instead of a photo."""
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


def is_cut(data: bytes, found: str) -> bool:
    """Say whether a container announces more bytes than there are: mostly a file that is still being written."""
    if found == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data) + 1  # the padding byte is often left out
    if found in _BMFF and data[:1] == b"\0":
        return any(end > len(data) for _name, _start, end in _boxes(data))
    if found == "TIFF":
        order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        return int.from_bytes(data[4:8], order) >= len(data) and data[2:4] in {b"*\0", b"\0*"}
    return False


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height from a JPEG XL header (ISO 18181-1, SizeHeader); None when there is none to be found."""
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
    bits = _Bits(int.from_bytes(stream[2:], "little"))
    small = bits.take(1)
    height = (bits.take(5) + 1) * 8 if small else bits.size()
    across, down = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[bits.take(3)]
    if across:
        return height * across // down, height
    return ((bits.take(5) + 1) * 8 if small else bits.size()), height


class _Bits:
    """Bits from the lowest upward, as JPEG XL packs its header."""

    def __init__(self, value: int) -> None:
        self._value = value

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def size(self) -> int:
        return self.take((9, 13, 18, 30)[self.take(2)]) + 1


def _brand(data: bytes) -> Kind | None:
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    for brand in brands:  # the major brand first; "mif1" only says "some HEIF": then the compatible ones decide
        if brand in {b"avif", b"avis"}:
            return "AVIF"
        if brand in _HEIF_BRANDS:
            return "HEIF"
        if brand == b"crx ":
            return "RAW"
    return "HEIF" if {b"mif1", b"msf1", b"mif2"} & set(brands) else None


def _boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """List the top-level boxes of an ISO container: name, start of the payload, end as announced."""
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
