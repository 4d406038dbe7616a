"""Three picture protocols of terminals. Each draws at the cursor, in a box of cells, and leaves the cursor there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHUNK = 4096
_SAVE, _RESTORE = b"\x1b7", b"\x1b8"


class Draw(NamedTuple):
    """One protocol: the `format` of `library.thumbnail` that it draws, and what encodes a picture for the terminal.

    `encode` takes the thumbnail's base64, and the columns and lines that it covers.
    """

    format: Literal["png", "jpeg", "sixel"]
    encode: Callable[[str, int, int], bytes]


def kitty(data: str, columns: int, lines: int) -> bytes:
    """Return PNG in kitty's graphics protocol: in chunks, without a reply, without moving the cursor."""
    first = f"a=T,f=100,q=2,C=1,c={columns},r={lines},"
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    last = len(chunks) - 1
    parts = (f"\x1b_G{first if at == 0 else ''}m={int(at < last)};{chunk}\x1b\\" for at, chunk in enumerate(chunks))
    return "".join(parts).encode("ascii")


def iterm2(data: str, columns: int, lines: int) -> bytes:
    """Return iTerm2's inline image. WezTerm and mintty have it too."""
    size = len(data) * 3 // 4 - data[-2:].count("=")
    about = f"inline=1;size={size};width={columns};height={lines};preserveAspectRatio=1"
    return _SAVE + f"\x1b]1337;File={about}:{data}\x07".encode("ascii") + _RESTORE


def sixel(data: str, columns: int, lines: int) -> bytes:
    """Return the sixels that the daemon encoded. They hold their size in pixels."""
    import base64  # noqa: PLC0415 - used only here

    del columns, lines
    return _SAVE + base64.b64decode(data) + _RESTORE


PROTOCOLS: Mapping[str, Draw] = {
    "kitty": Draw("png", kitty),
    "iterm2": Draw("jpeg", iterm2),
    "sixel": Draw("sixel", sixel),
}
