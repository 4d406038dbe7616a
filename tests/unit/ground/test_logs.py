"""Log lines suit their reader, and no file name can drive a terminal."""

from __future__ import annotations

import io
import logging
import os
from typing import TYPE_CHECKING

import pytest

from phsearch import logs
from phsearch.text import escape_control_chars

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_terminal_gets_time_level_and_text() -> None:
    stream = io.StringIO()
    logs.configure("info", {}, stream)
    logging.getLogger("phsearch.x").info("seen %s", "it")
    logging.getLogger("phsearch.x").debug("not shown")
    logging.getLogger("library").info("not shown")
    assert stream.getvalue().endswith(" INFO    phsearch.x: seen it\n")
    assert stream.getvalue().count("\n") == 1


def test_the_journal_gets_priorities_on_every_line(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        logs.configure("info", {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, stream)
        logging.getLogger("phsearch").error("one\ntwo", exc_info=(ValueError, ValueError("three\nfour"), None))
        stream.seek(0)
        assert stream.read() == "<3>phsearch: one\\ntwo\n<3>ValueError: three\n<3>four\n"


def test_escape_sequences_and_undecodable_bytes_are_made_visible() -> None:
    assert escape_control_chars("a\x1b[31mb\udce9\x07花.jpg") == "a\\x1b[31mb\\xe9\\x07花.jpg"
    stream = io.StringIO()
    logs.configure("info", {}, stream)
    logging.getLogger("phsearch").warning("%s: broken", "x\x1b]0;title\x07\udcff.jpg")
    assert "\x1b" not in stream.getvalue()
