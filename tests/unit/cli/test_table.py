from __future__ import annotations

import io
import json
import os
import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli.render import table
from phsearch.cli.render.status import format_status
from phsearch.cli.render.table import format_duration, plural
from phsearch.cli.terminal import Console
from phsearch.wire.results.daemon import Status
from support.terminals import driving_chars

names = st.binary(min_size=1, max_size=60).map(os.fsdecode)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def console(width: int = 40, *, styled: bool = False, links: bool = False) -> Console:
    return Console(io.BytesIO(), terminal=True, styled=styled, links=links, width=width)


@given(names)
def test_tsv_is_one_line_and_keeps_the_name(name: str) -> None:
    line = table.tsv(["0.5", name])
    assert line.count(b"\n") == 1
    score, field = line[:-1].split(b"\t")
    back = re.sub(rb"\\(.)", lambda m: {b"t": b"\t", b"n": b"\n", b"r": b"\r"}.get(m[1], m[1]), field, flags=re.DOTALL)
    assert score == b"0.5"
    assert back == os.fsencode(name)


@given(names)
def test_null_terminated_names_are_exact(name: str) -> None:
    assert table.null_terminated(name) == os.fsencode(name) + b"\0"


@given(names)
def test_json_lines_drive_no_terminal_and_keep_the_name(name: str) -> None:
    line = table.json_line({"path": name})
    assert not driving_chars(line[:-1].decode())
    assert json.loads(line) == {"path": name}


def test_json_keeps_readable_characters() -> None:
    assert table.json_line({"path": "/fotos/zoë.jpg"}) == '{"path": "/fotos/zoë.jpg"}\n'.encode()


@given(names, st.integers(16, 60))
def test_a_table_row_fits_the_screen_and_cannot_drive_it(name: str, columns: int) -> None:
    shown = table.table([(("0.281", "2023-06-01"), "/photos/" + name)], console(columns))
    assert shown.count("\n") == 1
    assert not CONTROL.search(shown)
    assert table.width(shown[:-1]) <= columns


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert table.width("富士山") == 6
    assert table.width("e\N{COMBINING ACUTE ACCENT}") == 1
    assert table.width("naïve") == 5


def test_columns_are_aligned_in_every_script() -> None:
    rows = [(("富士", "1"), "/a"), (("fuji", "22"), "/b"), (("x", "333"), "/c")]
    assert table.table(rows, console()) == "富士  1    /a\nfuji  22   /b\nx     333  /c\n"


def test_a_long_path_keeps_its_end() -> None:
    shown = table.table([(("0.281", "2023-06-01"), "/home/somebody/Pictures/2023/summer/beach.jpg")], console(40))
    assert shown == "0.281  2023-06-01  …023/summer/beach.jpg\n"


def test_a_long_reason_is_cut_before_the_path() -> None:
    shown = table.table([(("3x", "word " * 30), "/p/bad.jpg")], console(40))
    assert shown.endswith("…  /p/bad.jpg\n")
    assert len(shown) <= 41


def test_no_text_is_cut_while_there_is_room() -> None:
    assert table.table([(("3x", "the file is cut short"), "/p/bad.jpg")], console(40)).startswith("3x  the file is cut")
    assert "…" not in table.table([(("3x", "the file is cut short"), "/p/bad.jpg")], console(40))


def test_a_wide_character_is_never_cut_in_half() -> None:
    assert table.keep_end("富士山", 5) == "…士山"
    assert table.keep_end("富士山", 4) == "…山"
    assert table.keep_start("富士山", 4) == "富…"


def test_a_name_that_is_all_of_one_line_is_escaped() -> None:
    assert table.cell("a\x1b[31mb\nc\udcff\u202e") == r"a\x1b[31mb\nc\xff\u202e"


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_a_link_is_percent_encoded_and_keeps_the_path(name: bytes) -> None:
    path = b"/photos/" + name
    made = table.link(os.fsdecode(path), "text")
    found = re.fullmatch(r"\x1b\]8;;file://([^/]+)(/[!-~]*)\x1b\\text\x1b\]8;;\x1b\\", made)
    assert found
    assert found[1] == os.uname().nodename
    assert unquote_to_bytes(found[2]) == path


def test_links_and_colours_only_where_they_are_understood() -> None:
    row = [(("0.281",), "/a b.jpg")]
    assert "\x1b" not in table.table(row, console())
    assert "\x1b]8;;" not in table.table(row, console(styled=True))
    assert "/a%20b.jpg\x1b\\/a b.jpg\x1b]8;;" in table.table(row, console(styled=True, links=True))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


def test_counts_agree_with_their_noun() -> None:
    assert [plural(n, "photo") for n in (0, 1, 12345)] == ["0 photos", "1 photo", "12,345 photos"]


def test_a_console_writes_all_even_when_the_file_takes_only_a_part() -> None:
    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.got = b""

        def write(self, data: object) -> int:
            assert isinstance(data, memoryview)
            self.got += bytes(data[:3])
            return min(3, len(data))

    slow = Slow()
    Console(slow).write("0123456789é")  # type: ignore[arg-type]
    assert slow.got == "0123456789é".encode()


def test_what_the_terminal_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    ascii_only = Console(raw)
    ascii_only.encoding = "ascii"
    ascii_only.write("zoë\n")
    assert raw.getvalue() == b"zo\\xeb\n"


STATUS = {
    "version": "0.1.0",
    "protocol": 1,
    "pid": 4711,
    "uptime": 11520.5,
    "model": {
        "name": "ViT-B-32",
        "pretrained": "laion2b",
        "state": "ready",
        "device": "cuda",
        "precision": "fp16",
        "dim": 512,
        "reason": "",
        "hint": "",
    },
    "photos": 12345,
    "pending": 120,
    "scanning": False,
    "errors": 1,
    "counters": {"embedded": 120, "reused": 3, "removed": 0, "failed": 1},
    "roots": [
        {"path": "/home/me/Pictures", "state": "watching", "photos": 12345, "detail": ""},
        {"path": "/mnt/u\x1b[2Jsb", "state": "offline", "photos": 1, "detail": "not mounted"},
    ],
    "rate": 35.2,
    "eta": 4,
    "last_error": {"path": "/p/b\x07ad.jpg", "reason": "cut short"},
    "notices": [{"text": "watching 4 of 11 folders", "hint": "sudo sysctl fs.inotify.max_user_watches=524288"}],
}


def test_a_status_reads_well() -> None:
    assert format_status(Status.parse_json(STATUS), console(120)) == (
        "phsearchd 0.1.0  pid 4711, up 3 h 12 min\n"
        "model     ViT-B-32/laion2b on cuda, fp16, 512 dimensions: ready\n"
        "photos    12,345, 120 pending, 35.2 a second, 4 s left\n"
        "since up  120 embedded, 3 reused, 0 removed\n"
        "errors    1 photo could not be read: see `phsearch-client errors`\n"
        "last      /p/b\\x07ad.jpg: cut short\n"
        "\n"
        "watching  12,345 photos               /home/me/Pictures\n"
        "offline   1 photo        not mounted  /mnt/u\\x1b[2Jsb\n"
        "\n"
        "! watching 4 of 11 folders: sudo sysctl fs.inotify.max_user_watches=524288\n"
    )


def test_a_status_of_a_daemon_that_just_started_reads_well() -> None:
    model = {"name": "mini", "pretrained": "", "state": "unavailable", "device": None, "precision": None, "dim": None}
    young = STATUS | {
        "uptime": 0.2,
        "model": model | {"reason": "the weights are damaged", "hint": "install phsearch again"},
        "photos": 0,
        "pending": 0,
        "scanning": True,
        "errors": 0,
        "roots": [],
        "rate": 0.0,
        "eta": None,
        "last_error": None,
        "notices": [],
    }
    assert format_status(Status.parse_json(young), console(120)) == (
        "phsearchd 0.1.0  pid 4711, up 0 s\n"
        "model     mini: unavailable; the weights are damaged: install phsearch again\n"
        "photos    0, looking for more\n"
        "since up  120 embedded, 3 reused, 0 removed\n"
    )
