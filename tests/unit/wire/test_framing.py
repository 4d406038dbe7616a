from __future__ import annotations

import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.wire import framing

# What os.fsdecode can give: any character but surrogates, and lone ones for the bytes that are not UTF-8.
names = st.binary(max_size=40).map(os.fsdecode)
texts = st.text(max_size=40) | names
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_encoded_comes_back_the_same(value: object) -> None:
    assert framing.decode(framing.encode(value)) == value


@given(values)
def test_a_message_is_one_line_of_utf_8(value: object) -> None:
    line = framing.encode(value)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    line.decode("utf-8")


@given(st.binary(max_size=200))
def test_the_bytes_of_any_file_name_survive(name: bytes) -> None:
    assert os.fsencode(framing.decode(framing.encode(os.fsdecode(name)))) == name


@given(st.binary(max_size=200))
def test_junk_raises_nothing_but_value_error(junk: bytes) -> None:
    with contextlib.suppress(ValueError):
        framing.decode(junk)


@given(values, st.data())
def test_a_damaged_message_raises_nothing_but_value_error(value: object, data: st.DataObject) -> None:
    line = bytearray(framing.encode(value))
    line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        framing.decode(bytes(line))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{} {}",
        b"{",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b'{"id":-1e400}',
        b"9" * 5000,
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
    ids=lambda line: line[:12].decode("latin-1"),
)
def test_what_is_not_one_json_value_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them, that is the contract
        framing.decode(line)


@pytest.mark.parametrize("number", ["0", "-0.0", "1e308", "5e-324", "1.5"])
def test_numbers_that_fit_are_taken(number: str) -> None:
    assert framing.decode(number.encode()) == float(number)


def test_what_is_no_json_is_not_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        framing.encode(float("nan"))


def test_other_languages_read_it() -> None:
    assert framing.encode({"path": "/fotos/zoë.jpg"}) == '{"path":"/fotos/zoë.jpg"}\n'.encode()
    assert json.loads(framing.encode({"path": "/odd\udcff.jpg"})) == {"path": "/odd\udcff.jpg"}
