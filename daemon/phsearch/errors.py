"""The exceptions a user may meet: each is one sentence of what is wrong and, where there is one, a remedy.

Anything that is not a `PhsearchError` is a bug of ours and is logged with its traceback.
"""

from __future__ import annotations


class PhsearchError(Exception):
    """Something a user can understand and act on.

    `str(error)` is one sentence without a full stop; `hint` says what to do next, or is empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def sentence(self) -> str:
        """Message and hint as a person reads them."""
        return f"{self}: {self.hint}" if self.hint else str(self)


class ConfigError(PhsearchError):
    """The configuration cannot be used; names file, key and remedy. Exit status 78 (EX_CONFIG)."""


class AlreadyRunningError(PhsearchError):
    """Another daemon holds this state directory or this socket."""


class StoreError(PhsearchError):
    """The index on disk cannot be opened or written."""


class ModelMismatchError(PhsearchError):
    """The index was made with other weights than the model now loaded."""


class ModelUnavailableError(PhsearchError):
    """The model cannot be loaded: unknown name, weights not to be had, or damaged files."""


class UnreadableImageError(PhsearchError):
    """One photo cannot be decoded; the message is the reason shown by `errors`."""


class TruncatedImageError(UnreadableImageError):
    """The photo ends too early: mostly it is still being written, so trying again soon is worth it."""


class FileTooLargeError(UnreadableImageError):
    """A photo file has more than `limit` bytes; `size` is what is known of its size."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"it has more than {limit >> 20:,} MB")
        self.size = size


class UnsupportedQueryError(PhsearchError):
    """The query is well formed but the model cannot answer it, e.g. its script is not one it learned."""


class QueryError(PhsearchError):
    """The query cannot be understood, or names what is not there; `start` to before `end` is where, in characters."""

    def __init__(self, message: str, hint: str = "", *, start: int = 0, end: int = 0) -> None:
        super().__init__(message, hint)
        self.start = start
        self.end = end


class AlbumError(PhsearchError):
    """There is no such album, or there cannot be."""


class OutsideLibraryError(PhsearchError):
    """What was asked for is no photo of the library."""


class NotReadyError(PhsearchError):
    """The daemon is up but cannot answer yet; asking again later will work."""


class DaemonUnreachableError(PhsearchError):
    """Nobody answers on the socket. Exit status 69 (EX_UNAVAILABLE)."""


class AnswerTimeoutError(PhsearchError):
    """The daemon did not answer in time. Exit status 75 (EX_TEMPFAIL)."""


class RemoteError(PhsearchError):
    """The daemon answered with an error; `kind` is its type on the wire, e.g. "NotReady".

    `place` is where in the query something is wrong, from character to before character.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        kind: str = "",
        retryable: bool = False,
        place: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.retryable = retryable
        self.place = place
