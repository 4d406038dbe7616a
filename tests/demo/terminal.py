"""Draws the output of a terminal: `python tests/demo/terminal.py OUT.png`, the picture in the README.

A private daemon indexes the photographs of scikit-image. The real client runs in a pseudo-terminal that claims to be
kitty. Its output is drawn: text by an emulator, pictures by the commands of the graphics protocol.
"""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.harness import PHSEARCH_CLIENT, PHSEARCHD, Daemon, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COLUMNS, LINES = 104, 60
CELL = (10, 20)
FONT_SIZE = 16
_GRAPHICS = re.compile(rb"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\")
_LINKS = re.compile(rb"\x1b\]8;[^\x1b]*\x1b\\")
_BACK, _FRONT, _DIM = (24, 26, 31), (222, 222, 222), (140, 144, 152)
_COLOURS = {"green": (126, 211, 133), "brown": (229, 192, 103), "red": (224, 108, 117), "default": _FRONT}
_COMMANDS = (
    ("a cat",),
    ("rocket", "-n", "3", "--softmax"),
    ("giraffe",),
    ("orientation:portrate",),
    ("--grid", "-n", "4", "--all", "coffee^2", "+coins"),
)


class Terminal:
    """A screen of text with pictures at positions."""

    def __init__(self, columns: int = COLUMNS, lines: int = LINES) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.pictures: list[tuple[int, int, int, int, Image.Image]] = []
        """(column, line, columns, lines, picture)."""
        self._about = b""
        self._data = b""

    def feed(self, data: bytes) -> None:
        """Process the output of a program."""
        data, end = _LINKS.sub(b"", data), 0
        for found in _GRAPHICS.finditer(data):
            self._stream.feed(data[end : found.start()])
            end = found.end()
            self._graphics(found[1], found[2])
        self._stream.feed(data[end:])

    def _graphics(self, about: bytes, data: bytes) -> None:
        if b"a=T" in about:
            self._about, self._data = about, b""
        self._data += data
        if b"m=0" in about:
            told = dict(part.split(b"=") for part in self._about.split(b",") if b"=" in part)
            picture = Image.open(io.BytesIO(base64.b64decode(self._data))).convert("RGB")
            cursor = self.screen.cursor
            self.pictures.append((cursor.x, cursor.y, int(told[b"c"]), int(told[b"r"]), picture))

    def lines(self) -> Sequence[str]:
        """Return the text, without empty lines at the end."""
        shown = [line.rstrip() for line in self.screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def drawn(self) -> Image.Image:
        """Return the screen as an image."""
        used = max([len(self.lines()), *(line + rows for _, line, _, rows, _ in self.pictures)])
        image = Image.new("RGB", (self.screen.columns * CELL[0] + 20, used * CELL[1] + 20), _BACK)
        draw = ImageDraw.Draw(image)
        fonts = [ImageFont.truetype(_font(weight), FONT_SIZE) for weight in ("normal", "bold")]
        for line in range(used):
            for column, char in self.screen.buffer[line].items():
                if char.data.strip():
                    colour = _COLOURS.get(char.fg, _FRONT) if char.fg in _COLOURS else f"#{char.fg}"
                    draw.text(_at(column, line), char.data, colour, fonts[char.bold])
        for column, line, columns, rows, picture in self.pictures:
            room = (columns * CELL[0], rows * CELL[1])
            picture.thumbnail(room)
            image.paste(picture, _at(column, line))
        return image


def shown(words: Sequence[str], env: Mapping[str, str], columns: int = COLUMNS, lines: int = LINES) -> bytes:
    """Run a program in a pseudo-terminal of this many cells; return its output."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, columns * CELL[0], lines * CELL[1]))
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    written = b"".join(_read(master, process))
    os.close(master)
    process.wait(10)
    return written


def _read(master: int, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    while True:
        ready = select.select([master], [], [], 0.2)[0]
        try:
            data = os.read(master, 1 << 16) if ready else b""
        except OSError:  # the last program has closed it
            return
        if data:
            yield data
        elif process.poll() is not None:
            return


def _at(column: int, line: int) -> tuple[int, int]:
    return 10 + column * CELL[0], 10 + line * CELL[1]


def _font(weight: str) -> str:
    from matplotlib import font_manager  # noqa: PLC0415 - a second, and tests draw nothing

    return font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans Mono", weight=weight))


def main() -> None:
    out = Path(sys.argv[1])
    terminal = Terminal()
    with tempfile.TemporaryDirectory() as home:
        daemon = Daemon(Path(home), PHSEARCHD)
        demo = import_module("demo.try")  # "try" cannot be imported by a statement
        for name in demo.PHOTOS:
            shutil.copyfile(demo.photographs() / name, daemon.photos / name)
        with running(Path(home), PHSEARCHD) as daemon:
            daemon.settled(120)
            env = daemon.env | {"TERM": "xterm-kitty", "LANG": "C.UTF-8"}
            for words in _COMMANDS:
                typed = " ".join(f"'{word}'" if set(word) & set("^>") else word for word in words)
                terminal.feed(f"\x1b[1m$ phsearch-client {typed}\x1b[m\r\n".encode())
                written = shown([*PHSEARCH_CLIENT, *words], env)
                terminal.feed(written.replace(b"~/photos/", b"~/Pictures/") + b"\r\n")
    terminal.drawn().quantize(256, Image.Quantize.FASTOCTREE).save(out, optimize=True)


if __name__ == "__main__":
    main()
