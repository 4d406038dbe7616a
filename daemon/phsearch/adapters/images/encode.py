"""Encodes small pictures for display: PNG, JPEG, and sixel for terminals."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from phsearch.domain.types import Pixels

_JPEG_QUALITY = 85
_PALETTE_SIZE = 255
_BAND_ROWS = 6
_LONGEST_RUN = 255


def encode_image(pixels: Pixels, form: str) -> bytes:
    """Return [height, width, 3] uint8 encoded as `form`: "png", "jpeg" or "sixel"."""
    image = Image.fromarray(pixels)
    if form == "sixel":
        return encode_sixel(image)
    out = io.BytesIO()
    image.save(out, form.upper(), quality=_JPEG_QUALITY) if form == "jpeg" else image.save(
        out, form.upper(), compress_level=1
    )
    return out.getvalue()


def encode_sixel(image: Image.Image) -> bytes:
    """Return a picture for terminals of the VT340 family (DEC STD 070): bands of six rows, with one bit for each row.

    No maintained package does this with Pillow alone, and it is little code.
    """
    indexed = image.quantize(_PALETTE_SIZE, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.array(indexed.getpalette(), np.int32).reshape(-1, 3)
    rows = np.asarray(indexed)
    height, width = rows.shape
    out = [f'\x1bP0;1;0q"1;1;{width};{height}']
    used = np.unique(rows)
    # Colours are in per cent.
    out += [f"#{number};2;" + ";".join(str(value * 100 // 255) for value in palette[number]) for number in used]
    for top in range(0, height, _BAND_ROWS):
        band = rows[top : top + _BAND_ROWS]
        bits = 1 << np.arange(len(band))
        lines = []
        for number in np.unique(band):
            sixels = ((band == number) * bits[:, None]).sum(axis=0)
            lines.append(f"#{number}{_run_lengths(sixels)}")
        out.append("$".join(lines) + "-")
    out.append("\x1b\\")
    return "".join(out).encode("ascii")


def _run_lengths(sixels: np.ndarray) -> str:
    """Return sixels with equal ones as a count and one of them; empty ones at the end are left out."""
    edges = np.flatnonzero(np.diff(sixels)) + 1
    starts = [0, *edges.tolist()]
    lengths = np.diff([*starts, len(sixels)]).tolist()
    runs = [(int(sixels[start]), length) for start, length in zip(starts, lengths, strict=True)]
    if runs and runs[-1][0] == 0:
        runs.pop()
    return "".join(_encode_run(chr(63 + value), length) for value, length in runs)


def _encode_run(char: str, length: int) -> str:
    # A count is no shorter than up to three characters.
    whole, rest = divmod(length, _LONGEST_RUN)
    return f"!{_LONGEST_RUN}{char}" * whole + (f"!{rest}{char}" if rest > 3 else char * rest)  # noqa: PLR2004
