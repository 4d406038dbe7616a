"""Work on the library: scans, errors, verification, duplicates, thumbnails."""

from typing import Annotated, Literal

from phsearch.wire.record import Record


class StartedScans(Record):
    """The watched folders in which a scan was started."""

    roots: tuple[str, ...]


class ConfirmedDeletions(Record):
    """The photos of a watched folder that are forgotten since they are missing."""

    root: str
    missing: Annotated[int, "how many photos that are"]


class ForgottenRoot(Record):
    """The photos of a folder that are forgotten since it is watched no longer."""

    root: str
    forgotten: Annotated[int, "how many photos that are"]


class Names(Record):
    """Names of cameras or folders, as filters take them."""

    names: Annotated[tuple[str, ...], "at most a hundred, sorted; folders are below their root, one level at a time"]


class PhotoError(Record):
    """A photo that could not be read."""

    path: str
    reason: str
    attempts: int
    failed_at: Annotated[float, "seconds since the epoch"]
    kind: Annotated[
        Literal["damaged", "unsupported", "other"], "unsupported: it may be whole, and cannot be decoded here"
    ] = "other"
    scope: Annotated[
        Literal["content", "file"], "file: its disk or permissions may be at fault; each scan tries it again"
    ] = "content"


class PhotoErrors(Record):
    """A page of the photos that could not be read."""

    errors: tuple[PhotoError, ...]
    total: int


class StartedRetries(Record):
    """The photos that are tried again: one that can be read now leaves the errors, any other has one more attempt."""

    retried: Annotated[int, "how many photos that are"]
    held: Annotated[str | None, "why they have to wait; null if they need not"]


class Mismatch(Record):
    """A difference between the index and a file."""

    path: str
    kind: str
    detail: str


class Verification(Record):
    """What a comparison of the index with the files found."""

    ok: bool
    rows: Annotated[int, "rows of the index on disk"]
    checked: Annotated[int, "photos compared with their files"]
    sampled: Annotated[int, "photos read and embedded again"]
    not_checked: Annotated[int, "photos that are offline, or not to be read now"]
    held: Annotated[str | None, "why photos were not embedded again, if that was a pause"]
    lowest_cosine: float | None
    mismatched: Annotated[int, "how many mismatches there are"]
    mismatches: Annotated[tuple[Mismatch, ...], "the first of them"]
    took_ms: float


class DuplicatePhoto(Record):
    """A photo of a group of duplicates."""

    path: str
    size: Annotated[int, "bytes"]
    width: int
    height: int
    format: str
    taken_at: str | None
    copy: Annotated[bool, "whether one before it in the group has the same bytes"]


class DuplicateGroup(Record):
    """Photos that are the same or nearly so; the one to keep comes first."""

    kind: Annotated[Literal["exact", "near"], "exact where all have the same bytes"]
    photos: tuple[DuplicatePhoto, ...]
    more: Annotated[int, "photos of the group that one answer cannot hold"]


class Duplicates(Record):
    """A page of the groups of duplicates: as many as one answer can hold."""

    groups: tuple[DuplicateGroup, ...]
    total: int


class Thumbnail(Record):
    """A small picture of a photo, upright and as large as fits."""

    path: str
    width: int
    height: int
    format: str
    data: Annotated[str, "in base64"]
