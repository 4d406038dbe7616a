"""What the domain needs of the world, as protocols; the adapters fill them, the composition root joins the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from phsearch.domain.types import (
        Failure,
        FsEvent,
        ModelIdentity,
        NotAFile,
        Photo,
        PhotoFile,
        PhotoInfo,
        Pixels,
        Preprocess,
        ScanItem,
        TableStats,
        Vectors,
        Volume,
    )


class Watcher(Protocol):
    """Tells of changes below roots as they happen. `emit` is called from the watcher's own threads."""

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Begin; no root is watched yet."""

    def add_root(self, root: str) -> None:
        """Watch everything below `root` from when this returns. Raises OSError where the root cannot be watched."""

    def remove_root(self, root: str) -> None:
        """Stop watching `root`; nothing happens where it is not watched."""

    def send_mark(self, token: int) -> bool:
        """Have `Marked(token)` told when all that happened up to now has been; False where events cannot say that."""

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Count the folders of `root` that are watched and those that are not; None while that is not to be had."""

    def close(self) -> None:
        """Stop everything and join the threads."""


class Scanner(Protocol):
    """Walks a root by names and stat only."""

    def scan(self, root: str, below: str, tick: Callable[[], None]) -> Iterator[ScanItem]:
        """Give every photo of `root` that lies in the folder `below` (the root itself for all of it).

        `tick` is called whenever there is progress. Raises OSError when `below` itself cannot be listed.
        """

    def check_path(self, path: str) -> PhotoFile | NotAFile | None:
        """Judge one path as a walk would; None where it is gone, not admitted, or no file. Raises OSError."""


class Decoder(Protocol):
    """Turns one file into pixels for the model."""

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        """Read and decode `path`, from `descriptor` if it is open. Raises UnreadableImageError with the reason."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels ready for the device, and what the file tells of itself."""

    pixels: Pixels
    info: PhotoInfo


class DeletedVectors(Protocol):
    """The vectors of deleted photos that the store still has, by content."""

    def has_digest(self, digest: bytes) -> bool:
        """Whether the vector of this content is known. This reads memory only, and any thread may call it."""

    def find_digest(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what is known of a content, with its vector, [dim]; the store's thread reads it. Raises StoreError."""


class Store(Protocol):
    """The durable index; one thread at a time calls it."""

    @property
    def deleted_vectors(self) -> DeletedVectors:
        """The vectors of deleted photos."""

    @property
    def needs_optimize(self) -> bool:
        """Whether there were enough writes for `tidy` to be worth its time."""

    def load(self) -> tuple[list[Photo], Vectors]:
        """Give all photos and their vectors, [n, dim] in the same order; dim is 0 while there is no table."""

    def create_or_check(self, identity: ModelIdentity) -> None:
        """Create the table for this model or check that it is its own. Raises ModelMismatchError."""

    def apply(
        self,
        photos: Iterable[tuple[Photo, Vectors]] = (),
        *,
        failures: Iterable[Failure] = (),
        deletes: Collection[str] = (),
    ) -> None:
        """Write one batch. A path is a photo, a failure or neither: what it was before is deleted.

        Raises StoreError; then any part of the batch may be written, and all of it has to be applied again.
        """

    def load_failures(self) -> list[Failure]:
        """Give the photos that could not be read."""

    def load_volumes(self) -> list[Volume]:
        """Give what is remembered of the file systems under the roots."""

    def apply_volumes(self, upserts: Iterable[Volume], deletes: Collection[str]) -> None:
        """Write volumes by path, then deletions. Raises StoreError."""

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        """Read what is on disk now, some thousand at a time, with vectors [n, dim]. Raises StoreError."""

    def stats(self) -> list[TableStats]:
        """Give what the tables hold and take on disk. Raises StoreError."""

    def optimize(self) -> float | None:
        """Compact and drop what is old; gives after how many seconds more can be dropped, None where all is done."""

    def close(self) -> None:
        """Let go of the files."""
