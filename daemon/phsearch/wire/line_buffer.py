"""From bytes as they arrive to lines, with a limit: pure, so that every split can be tested."""

from __future__ import annotations

from typing import Final, Literal

from phsearch.wire.framing import MAX_LINE

TOO_LONG: Final = "too long"


class LineBuffer:
    """What has arrived of a stream and is not taken yet. Never holds much more than `most` and one chunk."""

    def __init__(self, most: int = MAX_LINE) -> None:
        self._most = most
        self._buffer = bytearray()
        self._searched = 0
        self._skipping = False

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def skipping(self) -> bool:
        """Whether what comes is the rest of a line over the limit."""
        return self._skipping

    @property
    def begun(self) -> bool:
        """Whether a part of a line is there, with nothing whole before it."""
        return self._skipping or (bool(self._buffer) and not self.whole)

    @property
    def whole(self) -> bool:
        """Whether `take` has something to give."""
        if self._skipping:
            return False
        at = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if at < 0 else at
        return at >= 0 or len(self._buffer) > self._most

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
        """Give the oldest whole line; TOO_LONG once for one over the limit, whose rest is skipped; None for none."""
        if not self.whole:
            return None
        end = self._buffer.find(b"\n", self._searched)
        if end < 0 or end >= self._most:
            self._skipping = end < 0
            del self._buffer[: end + 1 if end >= 0 else len(self._buffer)]
            self._searched = 0
            return TOO_LONG
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._searched = 0
        return line
