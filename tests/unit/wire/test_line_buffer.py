"""Lines of a stream, however it is split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phsearch.wire.framing import TOO_LONG, LineBuffer

MAX_LINE = 20


def popped(lines: LineBuffer) -> list[bytes | str]:
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
    lines, found = LineBuffer(MAX_LINE), list[bytes | str]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        lines.feed_bytes(stream[start:end])
        if data.draw(st.booleans()):
            found += popped(lines)
    found += popped(lines)
    assert found == [text + b"\n" if len(text) < MAX_LINE else TOO_LONG for text in texts]
    assert len(lines) == 0
    assert not lines.has_partial_line


def test_a_line_without_an_end_is_not_kept() -> None:
    lines = LineBuffer(MAX_LINE)
    for _ in range(100):
        lines.feed_bytes(bytes(1000))
        popped(lines)
        assert len(lines) == 0
        assert lines.has_partial_line
    lines.feed_bytes(b"\nnext\n")
    assert popped(lines) == [b"next\n"]
