"""Encoding small pictures for those who show them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from phsearch.domain.types import Pixels

_COLOURS = 255
_BAND = 6
_QUALITY = 85
_LONGEST_RUN = 255


def encoded(pixels: Pixels, form: str) -> bytes:
    """Encode [height, width, 3] uint8 as "png", "jpeg" or "sixel"."""
    image = Image.fromarray(pixels)
    if form == "sixel":
        return sixel(image)
    out = io.BytesIO()
    image.save(out, form.upper(), quality=_QUALITY) if form == "jpeg" else image.save(
        out, form.upper(), compress_level=1
    )
    return out.getvalue()


def sixel(image: Image.Image) -> bytes:
    """Encode a picture for terminals of the VT340's kind (DEC STD 070): bands of six rows, a bit for each row.

    No package that is kept up does this for Pillow alone, and it is little.
    """
    indexed = image.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.array(indexed.getpalette(), np.int32).reshape(-1, 3)
    rows = np.asarray(indexed)
    height, width = rows.shape
    out = [f'\x1bP0;1;0q"1;1;{width};{height}']
    used = np.unique(rows)
    # Colours are in per cent.
    out += [f"#{number};2;" + ";".join(str(value * 100 // 255) for value in palette[number]) for number in used]
    for top in range(0, height, _BAND):
        band = rows[top : top + _BAND]
        bits = 1 << np.arange(len(band))
        lines = []
        for number in np.unique(band):
            sixels = ((band == number) * bits[:, None]).sum(axis=0)
            lines.append(f"#{number}{_runs(sixels)}")
        out.append("$".join(lines) + "-")
    out.append("\x1b\\")
    return "".join(out).encode("ascii")


def _runs(sixels: np.ndarray) -> str:
    """Write equal sixels as a count and one of them, and leave out those at the end that are empty."""
    edges = np.flatnonzero(np.diff(sixels)) + 1
    starts = [0, *edges.tolist()]
    lengths = np.diff([*starts, len(sixels)]).tolist()
    runs = [(int(sixels[start]), length) for start, length in zip(starts, lengths, strict=True)]
    if runs and runs[-1][0] == 0:
        runs.pop()
    return "".join(_run(chr(63 + value), length) for value, length in runs)


def _run(char: str, length: int) -> str:
    whole, rest = divmod(length, _LONGEST_RUN)
    return f"!{_LONGEST_RUN}{char}" * whole + (f"!{rest}{char}" if rest > 3 else char * rest)  # noqa: PLR2004 - as long
