"""The exceptions that a user may see: each is one sentence on what is wrong and, where there is one, a remedy.

Any other exception is a bug of phsearch, and is logged with its traceback.
"""

from __future__ import annotations

import errno

_REMEDIES = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "your quota of its disk is used up: free some space",
    errno.EROFS: "its file system is read-only: make it writable",
    errno.EIO: "its disk may be failing: see `journalctl -k`",
    errno.ENOMEM: "the memory is used up: end other programs",
    errno.EMFILE: "phsearch may open no more files: raise `ulimit -n`",
    errno.ENFILE: "the system may open no more files: end other programs, or raise fs.file-max",
    errno.ENAMETOOLONG: "choose a shorter path",
}


def remedy_of(number: int | None, otherwise: str) -> str:
    """Return what helps against an error of the system by its errno. Most have one cause; for others `otherwise`."""
    return _REMEDIES.get(number or 0, otherwise)


class PhsearchError(Exception):
    """An error that a user can understand and act on.

    `str(error)` is one sentence without a full stop; `hint` says what to do next, or is empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def sentence(self) -> str:
        """Return message and hint as one sentence."""
        return f"{self}: {self.hint}" if self.hint else str(self)


class ConfigError(PhsearchError):
    """The configuration cannot be used: it names file, key and remedy. Exit status 78 (EX_CONFIG)."""


class NoHomeError(PhsearchError):
    """There is no home directory, and a path in it is needed."""


class AlreadyRunningError(PhsearchError):
    """Another daemon holds this state directory or this socket."""


class StoreError(PhsearchError):
    """The index on disk cannot be opened or written."""


class ModelMismatchError(PhsearchError):
    """The index was made with other weights than the model now loaded."""


class ModelUnavailableError(PhsearchError):
    """The model cannot be loaded: unknown name, weights that cannot be downloaded, or damaged files."""


class UnknownModelError(ModelUnavailableError):
    """There is no such model, or there are no such weights: only other settings help, and no later attempt."""


class GraphError(PhsearchError):
    """The graphs of a model cannot be used. The message is the reason, and another runtime takes over."""


class UnreadableImageError(PhsearchError):
    """One photo cannot be decoded. The message is the reason that `errors` shows."""


class TruncatedImageError(UnreadableImageError):
    """The photo ends too early. Mostly it is still being written, so it is read again soon."""


class DecoderMemoryError(UnreadableImageError):
    """The decoder got no memory: the photo asks for too much, or others have it."""


class FileTooLargeError(UnreadableImageError):
    """A photo file has more than `limit` bytes; `size` is what is known of its size."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"it has more than {limit >> 20:,} MB")
        self.size = size

    def photo_reason(self) -> str:
        """Return why a photo of this size is not read."""
        return f"{self.size / 1e9:,.1f} GB, more than any photo within index.max_megapixels needs"


class UnsupportedQueryError(PhsearchError):
    """The query is well formed, but the model cannot answer it, e.g. it has not learned its script."""


class QueryError(PhsearchError):
    """The query cannot be understood, or names something unknown, at the characters from `start` to before `end`."""

    def __init__(self, message: str, hint: str = "", *, start: int = 0, end: int = 0) -> None:
        super().__init__(message, hint)
        self.start = start
        self.end = end


class AlbumError(PhsearchError):
    """There is no album of that name, or the name is not allowed."""


class ModelChoiceError(PhsearchError):
    """The model cannot be changed so."""


class CannotCalibrateError(PhsearchError):
    """The photos and captions do not suffice to calibrate a model, or now is not the time."""


class OutsideLibraryError(PhsearchError):
    """The path is not a photo of the library."""


class NotReadyError(PhsearchError):
    """The daemon runs but cannot answer yet. The same request will work later."""


class DaemonUnreachableError(PhsearchError):
    """No daemon answers on the socket. Exit status 69 (EX_UNAVAILABLE)."""


class AnswerTimeoutError(PhsearchError):
    """The daemon did not answer in time. Exit status 75 (EX_TEMPFAIL)."""


class RemoteError(PhsearchError):
    """The daemon answered with an error. `kind` is its type on the wire, e.g. "NotReady".

    `place` is where in the query the mistake is: its first character, and the first one after it.
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


class MalformedAnswerError(RemoteError):
    """The daemon answered, but not with what the protocol says: it is of another version, or has a bug."""
