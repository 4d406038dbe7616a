"""Lines out of a stream, however it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phsearch.wire.line_buffer import TOO_LONG, LineBuffer

MOST = 20


def taken(lines: LineBuffer) -> list[bytes | str]:
    found: list[bytes | str] = []
    while (line := lines.pop_line()) is not None:
        found.append(line)
    return found


@given(st.lists(st.binary(max_size=40).map(lambda each: each.replace(b"\n", b"."))), st.data())
def test_every_line_comes_once_and_in_order_and_one_too_long_is_told_of_once(
    texts: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(text + b"\n" for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    lines, found = LineBuffer(MOST), list[bytes | str]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        lines.feed_bytes(stream[start:end])
        if data.draw(st.booleans()):
            found += taken(lines)
    found += taken(lines)
    assert found == [text + b"\n" if len(text) < MOST else TOO_LONG for text in texts]
    assert len(lines) == 0
    assert not lines.begun


def test_a_line_without_an_end_is_not_kept() -> None:
    lines = LineBuffer(MOST)
    for _ in range(100):
        lines.feed_bytes(bytes(1000))
        taken(lines)
        assert len(lines) == 0
        assert lines.begun
    lines.feed_bytes(b"\nnext\n")
    assert taken(lines) == [b"next\n"]
