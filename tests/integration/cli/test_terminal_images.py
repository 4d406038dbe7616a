"""Pictures in real pseudo-terminals: what is written is decoded again, and must be the photo."""

from __future__ import annotations

import base64
import io
import itertools
import os
import pty
import re
import select
import shlex
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from demo.terminal import Terminal, shown
from phsearch.adapters.images.encode import encode_image, encode_sixel
from support.harness import PHSEARCH_CLIENT, Daemon, photo, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("pictures")
    for colour in COLOURS:
        photo(home / "photos" / f"{colour}.png", colour, (320, 240))
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=3, pending=0, scanning=False)
        yield daemon


def env(daemon: Daemon, **more: str) -> Mapping[str, str]:
    return daemon.env | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | more


def middle(picture: Image.Image) -> tuple[int, ...]:
    found = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(found, tuple)
    return found


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 12


def test_a_grid_in_kitty_holds_the_photos_in_order_each_in_its_place(daemon: Daemon) -> None:
    terminal = Terminal(80, 40)
    terminal.feed(shown([*PHSEARCH_CLIENT, "--grid", "red"], env(daemon, KITTY_WINDOW_ID="1"), 80, 40))
    (first, *_), columns = terminal.pictures, [picture[0] for picture in terminal.pictures]
    assert near(middle(first[4]), COLOURS["red"])
    assert columns == [0, 26, 52], "three tiles and their gaps"
    assert len({picture[1] for picture in terminal.pictures}) == 1, "in one row"
    below = first[1] + first[3]
    names = [line for line in terminal.lines()[below:] if "red.png" in line]
    assert names
    assert names[0].startswith("red.png")


def test_a_row_that_does_not_fit_goes_on_below_and_nothing_overlaps(daemon: Daemon) -> None:
    terminal = Terminal(40, 60)
    terminal.feed(shown([*PHSEARCH_CLIENT, "--grid", "red"], env(daemon, TERM="xterm-kitty"), 40, 60))
    assert [picture[0] for picture in terminal.pictures] == [0, 0, 0]
    lines = [(picture[1], picture[1] + picture[3]) for picture in terminal.pictures]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(lines))


@pytest.mark.parametrize("height", [4, 8])
def test_a_low_terminal_has_room_for_a_picture_and_its_captions(daemon: Daemon, height: int) -> None:
    terminal = Terminal(40, height)
    words = [*PHSEARCH_CLIENT, "--grid", "-n1", "red"]
    terminal.feed(shown(words, env(daemon, KITTY_WINDOW_ID="1"), 40, height))
    (_, line, _, rows, _), *_ = terminal.pictures
    assert line + rows + 2 < height, "the captions and the cursor are below it"


def test_a_listed_picture_of_two_lines_is_followed_by_the_next_at_once(daemon: Daemon) -> None:
    terminal = Terminal(80, 40)
    low = shown([*PHSEARCH_CLIENT, "--thumbnails", "--all", "red"], env(daemon, KITTY_WINDOW_ID="1"), 80, 3)
    terminal.feed(low)  # on a higher screen, on which nothing scrolls
    watched_roots = [picture[1] for picture in terminal.pictures]
    assert watched_roots == [0, 2, 4]
    assert [number for number, text in enumerate(terminal.lines()) if ".png" in text] == [1, 3, 5]


def test_a_job_in_the_background_is_not_stopped_for_asking_the_terminal(daemon: Daemon) -> None:
    job = f"{shlex.join(PHSEARCH_CLIENT)} --grid -n1 red & wait"
    assert b"red.png" in answered(["bash", "-mc", job], env(daemon), b"")


def test_the_softmax_share_is_below_a_picture_too(daemon: Daemon) -> None:
    terminal = Terminal(80, 40)
    words = [*PHSEARCH_CLIENT, "--grid", "--softmax", "--all", "red"]
    terminal.feed(shown(words, env(daemon, KITTY_WINDOW_ID="1"), 80, 40))
    share = daemon.call("search", query="red")["hits"][0]["share"]
    assert any(f"{100 * share:.1f}%" in line for line in terminal.lines())


def test_thumbnails_are_beside_their_lines(daemon: Daemon) -> None:
    terminal = Terminal(80, 40)
    terminal.feed(shown([*PHSEARCH_CLIENT, "--thumbnails", "blue"], env(daemon, KITTY_WINDOW_ID="1"), 80, 40))
    assert near(middle(terminal.pictures[0][4]), COLOURS["blue"])
    line = next(number for number, text in enumerate(terminal.lines()) if "blue.png" in text)
    assert terminal.pictures[0][1] <= line < terminal.pictures[0][1] + terminal.pictures[0][3]
    assert terminal.lines()[line].index("/") >= 12


def test_show_draws_one_photo_and_says_what_is_none(daemon: Daemon, tmp_path: Path) -> None:
    terminal = Terminal()
    kitty = env(daemon, KITTY_WINDOW_ID="1")
    terminal.feed(shown([*PHSEARCH_CLIENT, "show", str(daemon.photos / "green.png"), "--size", "20x10"], kitty))
    (column, _line, columns, lines, picture) = terminal.pictures[0]
    assert (column, columns <= 20, lines <= 10) == (0, True, True)
    assert near(middle(picture), COLOURS["green"])
    assert b"no photo of the library" in shown([*PHSEARCH_CLIENT, "show", str(tmp_path / "x.png")], kitty)


def test_show_says_by_its_exit_status_whether_there_is_a_picture(daemon: Daemon, tmp_path: Path) -> None:
    drawn = daemon.cli("show", str(daemon.photos / "green.png"), "--thumbnails", "kitty")
    assert drawn.stdout.strip().startswith("\x1b[")
    missing = daemon.cli("show", str(tmp_path / "x.png"), "--thumbnails", "kitty", check=False)
    assert missing.returncode == 1
    assert "no photo of the library" in missing.stdout, "where a chooser's preview shows it"


def test_iterm2_gets_the_file_inline(daemon: Daemon) -> None:
    written = shown([*PHSEARCH_CLIENT, "--grid", "-n1", "red"], env(daemon, TERM_PROGRAM="iTerm.app"))
    found = re.search(rb"\x1b\]1337;File=inline=1;size=(\d+);width=(\d+);height=(\d+);[^:]*:([^\x07]*)\x07", written)
    assert found is not None
    data = base64.b64decode(found[4])
    assert len(data) == int(found[1])
    assert near(middle(Image.open(io.BytesIO(data))), COLOURS["red"])


def test_sixel_is_used_where_the_terminal_says_so(daemon: Daemon) -> None:
    written = answered([*PHSEARCH_CLIENT, "--grid", "-n1", "red"], env(daemon), b"\x1b[?62;4;6c")
    found = re.search(rb"\x1bP.*?\x1b\\", written, re.DOTALL)
    assert found is not None
    assert near(tuple(map(int, decoded(found[0])[20, 20])), COLOURS["red"])


@pytest.mark.parametrize("answer", [b"\x1b[?62;6c", b""])
def test_where_no_pictures_can_be_shown_there_is_the_table_and_a_sentence(daemon: Daemon, answer: bytes) -> None:
    written = answered([*PHSEARCH_CLIENT, "--grid", "-n1", "red"], env(daemon), answer)
    assert b"red.png" in written
    assert b"this terminal shows no pictures" in written
    assert b"\x1bP" not in written


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"TMUX": "/tmp/tmux-1000/default,1,0", "TERM": "screen-256color"}, "tmux"),
        ({"TERM": "tmux-256color"}, "tmux"),
        ({"TERM": "screen.xterm-256color"}, "screen"),
        ({"STY": "123.pts-0.host"}, "screen"),
        ({"TMUX": "x", "KITTY_WINDOW_ID": "1"}, "tmux"),
        ({"STY": "x", "TERM_PROGRAM": "WezTerm"}, "screen"),
    ],
)
def test_a_multiplexer_is_named_as_the_reason_and_not_the_terminal(
    daemon: Daemon, variables: dict[str, str], name: str
) -> None:
    written = shown([*PHSEARCH_CLIENT, "--grid", "-n1", "red"], env(daemon, **variables))
    assert b"red.png" in written
    assert f"{name} passes no pictures on to the terminal: ask outside of it".encode() in written
    assert b"this terminal shows no pictures" not in written


def test_a_pipe_gets_lines_whatever_is_asked_of_a_terminal(daemon: Daemon) -> None:
    done = daemon.cli("--grid", "-n1", "red")
    assert done.stdout.count("\t") == 2
    assert done.stderr == ""


def test_colours_are_left_out_where_they_are_not_wanted(daemon: Daemon) -> None:
    coloured = shown([*PHSEARCH_CLIENT, "red"], env(daemon))
    assert b"\x1b[2m" in coloured
    plain = shown([*PHSEARCH_CLIENT, "red"], env(daemon, NO_COLOR="1"))
    assert b"\x1b" not in plain


def test_a_mistake_is_shown_under_its_place(daemon: Daemon) -> None:
    terminal = Terminal(60, 20)
    terminal.feed(shown([*PHSEARCH_CLIENT, "red", "date:2023-13"], env(daemon), 60, 20))
    query, carets, sentence, *_ = terminal.lines()
    assert query.strip() == "red date:2023-13"
    assert query[carets.index("^") :] == "2023-13"
    assert sentence.startswith('phsearch-client: "2023-13" has no such month')


# --- sixel by itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (7, 6), (300, 13)])
def test_a_sixel_picture_is_the_picture(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 40, 90))
    image.paste((10, 200, 30), (0, 0, max(size[0] // 2, 1), size[1]))
    found = decoded(encode_sixel(image))
    assert found.shape == (size[1], size[0], 3)
    # Colours go over the wire in per cent.
    np.testing.assert_allclose(found, np.asarray(image), atol=4)


def test_every_format_is_what_it_says() -> None:
    pixels = np.full((10, 20, 3), 99, np.uint8)
    for form in ("png", "jpeg"):
        assert Image.open(io.BytesIO(encode_image(pixels, form))).format == form.upper()


def decoded(data: bytes) -> np.ndarray:
    """Read a sixel picture back, as a terminal does."""
    body = data.decode("ascii").removeprefix("\x1bP0;1;0q").removesuffix("\x1b\\")
    raster = re.match(r'"1;1;(\d+);(\d+)', body)
    assert raster is not None
    width, height = int(raster[1]), int(raster[2])
    pixels = np.zeros((height + 6, width, 3), np.uint8)
    palette: dict[int, tuple[int, ...]] = {}
    colour, x, top = 0, 0, 0
    for found in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([$-])|([?-~])", body[raster.end() :]):
        number, red, green, blue, count, run, move, single = found.groups()
        if number is not None:
            colour = int(number)
            if red is not None:
                palette[colour] = tuple(round(int(value) * 2.55) for value in (red, green, blue))
        elif move:
            x, top = 0, top + (6 if move == "-" else 0)
        else:
            bits, length = ord(run or single) - 63, int(count or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    pixels[top + bit, x : x + length] = palette[colour]
            x += length
    return pixels[:height]


def answered(words: list[str], env: Mapping[str, str], answer: bytes) -> bytes:
    """Run a program with a terminal of its own that answers when it is asked for its attributes."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, dict(env))
    written, told = b"", False
    while select.select([master], [], [], 15)[0]:
        try:
            data = os.read(master, 1 << 16)
        except OSError:  # the program has ended
            break
        written += data
        if b"\x1b[c" in written and not told:
            os.write(master, answer)
            told = True
    os.close(master)
    os.waitpid(pid, 0)
    return written
