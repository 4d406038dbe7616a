"""The three ways terminals take pictures. Each draws at the cursor, in a box of cells, and leaves the cursor there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHUNK = 4096
_SAVE, _RESTORE = b"\x1b7", b"\x1b8"


class Draw(NamedTuple):
    """`format` is what `library.thumbnail` is asked for; `put` takes its base64 and the columns and lines it covers."""

    format: str
    put: Callable[[str, int, int], bytes]


def kitty(data: str, columns: int, lines: int) -> bytes:
    """Write kitty's graphics protocol: PNG in chunks, quietly, without moving the cursor."""
    first = f"a=T,f=100,q=2,C=1,c={columns},r={lines},"
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    last = len(chunks) - 1
    parts = (f"\x1b_G{first if at == 0 else ''}m={int(at < last)};{chunk}\x1b\\" for at, chunk in enumerate(chunks))
    return "".join(parts).encode("ascii")


def iterm2(data: str, columns: int, lines: int) -> bytes:
    """Write iTerm2's inline image, as WezTerm and mintty have it, too."""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    about = f"inline=1;size={size};width={columns};height={lines};preserveAspectRatio=1"
    return _SAVE + f"\x1b]1337;File={about}:{data}\x07".encode("ascii") + _RESTORE


def sixel(data: str, columns: int, lines: int) -> bytes:
    """Pass on what the daemon has encoded; it says its own size in pixels."""
    import base64  # noqa: PLC0415 - only here

    del columns, lines
    return _SAVE + base64.b64decode(data) + _RESTORE


PROTOCOLS: Mapping[str, Draw] = {
    "kitty": Draw("png", kitty),
    "iterm2": Draw("jpeg", iterm2),
    "sixel": Draw("sixel", sixel),
}
