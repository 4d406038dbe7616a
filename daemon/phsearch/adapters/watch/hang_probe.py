"""Whether a root answers, asked so that a hung file system holds up nobody but the one thread that asks it.

A call on a network share whose server is gone never returns and cannot be ended. So it is made on a thread of its own
that is left behind, one at most for each root, and whoever wants to know waits only so long.
"""

from __future__ import annotations

import errno
import os
import threading


class HangProbe:
    """Looks at roots; a root that does not answer within `seconds` counts as one that cannot be looked at."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked: dict[str, _Question] = {}

    def identity(self, root: str) -> tuple[int, int]:
        """Give device and inode of `root`. Raises OSError, ETIMEDOUT where it does not answer."""
        while True:
            with self._lock:
                question = self._asked.get(root)
                mine = question is None or question.answered.is_set()
                if question is None or mine:
                    question = self._asked[root] = _Question(root)
                    question.start()
            if not question.answered.wait(self._seconds):
                raise TimeoutError(errno.ETIMEDOUT, "it does not answer", root)
            if mine:  # an answer to an earlier question may be older than what made us ask
                with self._lock:
                    if self._asked.get(root) is question:
                        del self._asked[root]
                question.join()
                return question.answer()


class _Question(threading.Thread):
    def __init__(self, root: str) -> None:
        super().__init__(name=f"looks at {root}", daemon=True)
        self._root = root
        self._identity = (0, 0)
        self._error: OSError | None = None
        self.answered = threading.Event()

    def run(self) -> None:
        try:
            status = os.stat(self._root)  # noqa: PTH116 - a str stays a str
            self._identity = (status.st_dev, status.st_ino)
        except OSError as error:
            self._error = error
        self.answered.set()

    def answer(self) -> tuple[int, int]:
        if self._error is not None:
            raise self._error
        return self._identity
