"""From bytes as they arrive to lines of limited length. No I/O, so that every split can be tested."""

from __future__ import annotations

from typing import Final, Literal

from phsearch.wire.framing import MAX_LINE

TOO_LONG: Final = "too long"


class LineBuffer:
    """The bytes of a stream that have arrived and are not popped yet: never much more than `max_line` and one chunk."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        self._searched = 0  # bytes in which there is no newline
        self._skipping = False  # until the end of a line that is too long

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def has_line(self) -> bool:
        """Whether `pop_line` returns a line or TOO_LONG."""
        if self._skipping:
            return False
        at = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if at < 0 else at
        return at >= 0 or len(self._buffer) > self._max_line

    @property
    def has_partial_line(self) -> bool:
        """Whether a line has begun to arrive, and no complete one is before it."""
        return self._skipping or (bool(self._buffer) and not self.has_line)

    @property
    def is_skipping(self) -> bool:
        """Whether the rest of a line that is too long is being skipped."""
        return self._skipping

    def feed_bytes(self, data: bytes) -> None:
        """Add what has arrived."""
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                return
            self._skipping = False
            data = data[end + 1 :]
        self._buffer += data

    def pop_line(self) -> bytes | Literal["too long"] | None:
        """Remove and return the oldest line, or None if there is no complete one.

        Return TOO_LONG once for a line over the limit. The rest of that line is skipped as it arrives.
        """
        if not self.has_line:
            return None
        end = self._buffer.find(b"\n", self._searched)
        if end < 0 or end >= self._max_line:
            self._skipping = end < 0
            del self._buffer[: end + 1 if end >= 0 else len(self._buffer)]
            self._searched = 0
            return TOO_LONG
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._searched = 0
        return line
