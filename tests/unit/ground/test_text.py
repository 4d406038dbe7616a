"""Text for a terminal: what can be read is shown, and what a terminal would obey is escaped."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli.render import table
from phsearch.cli.render.paths import shell_word
from phsearch.domain.albums import check_name
from phsearch.text import drives_terminal, escape_control_chars, escape_invisible, one_line
from support.terminals import driving_chars

NAMES = {
    "no-break space": "Sn\u00edmek\u00a0obrazovky.jpg",
    "narrow no-break space": "Screenshot at 9.41.00\u202fAM.jpg",
    "ideographic space": "写真\u3000夏.jpg",
    "other spaces": "a\u2002b\u2003c\u2009d\u200ae\u205ff\u1680g.jpg",
    "zero-width non-joiner": "می\u200cخواهم.jpg",  # noqa: RUF001
    "zero-width joiner": "👨\u200d👩\u200d👧 family, क्\u200dष.jpg",
    "zero-width space": "ប្រាសាទ\u200bអង្គរវត្ត.jpg",
    "word joiner": "a\u2060b.jpg",
    "variation selectors": "❤\ufe0f ☁\ufe0e 葛\U000e0100城市.jpg",
    "skin and flags": "👍🏽 🇨🇿 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.jpg",
    "combining letters": "e\u0301te\u0301, เที่ยว, đi cho\u031b\u0323i.jpg",
    "Korean in parts": "\u1112\u1161\u11ab\u1100\u1173\u11af.jpg",
    "soft hyphen": "Donau\u00addampf\u00adschiff.jpg",
    "byte order mark": "\ufeffnotes.jpg",
    "private use": "\uf8ff apple \ue0b0.jpg",
    "of a later Unicode": "\U0001fae8\U0001f6dc.jpg",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_in_every_script_are_shown_as_they_are(name: str) -> None:
    assert one_line(name) == table.cell(name) == name
    assert shell_word(name) in (name, f"'{name}'")
    assert name.encode() in table.json_line({"path": name})
    check_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x9b31m\x07\x7f\x08", r"a\x9b31m\x07\x7f\x08"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("\u2066a\u2069\u200e\u200f\u061c", r"\u2066a\u2069\u200e\u200f\u061c"),
        ("a\u2028b\u2029c\x85d\re\tf", r"a\u2028b\u2029c\x85d\re\tf"),
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
    ],
)
def test_what_drives_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert escape_control_chars(text) == one_line(text) == shown
    assert shell_word(text).startswith("$'")


@given(st.text())
def test_nothing_else_is_escaped(text: str) -> None:
    assert drives_terminal(text) >= bool(driving_chars(text))
    assert not driving_chars(one_line(text))
    kept = [char for char in text if not driving_chars(char) and unicodedata.category(char) != "Cf"]
    assert all(char in one_line(text) for char in kept)
    assert escape_invisible(text).isprintable(), "for readers that are no terminal"


@pytest.mark.parametrize(("text", "columns"), [("\u1112\u1161\u11ab", 2), ("한", 2), ("a\u00adb", 3), ("e\u0301", 1)])
def test_columns_are_those_that_terminals_take(text: str, columns: int) -> None:
    assert table.width(text) == columns
