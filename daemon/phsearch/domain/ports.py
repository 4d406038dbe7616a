"""What the service needs of the outside, as protocols. The adapters implement them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from phsearch.domain.types import (
        DeviceChoice,
        Failure,
        FolderRename,
        ModelIdentity,
        ModelInfo,
        ModelName,
        NotAFile,
        OtherPath,
        Photo,
        PhotoFile,
        PhotoInfo,
        Pixels,
        Preprocess,
        RefusedRow,
        ScanItem,
        TableStats,
        Vectors,
        Volume,
    )
    from phsearch.domain.watch_events import FsEvent


class Watcher(Protocol):
    """Reports changes below roots as they happen."""

    def start(self, emit: Callable[[FsEvent], None]) -> None:
        """Begin, without any root. `emit` is called from the threads of the watcher."""

    def add_root(self, root: str) -> None:
        """Watch everything below `root` from the return of this call on. Raises OSError where that cannot be done."""

    def remove_root(self, root: str) -> None:
        """Stop watching `root`, if it is watched."""

    def send_mark(self, token: int) -> bool:
        """Emit `SyncMark(token)` after everything that happened before; return False where that cannot be promised."""

    def watch_counts(self, root: str) -> tuple[int, int] | None:
        """Return how many folders of `root` are watched and how many are not; None while that is not known."""

    def close(self) -> None:
        """Stop everything and join the threads."""


class Scanner(Protocol):
    """Walks a root by names and stat only."""

    def scan(self, root: str, below: str, tick: Callable[[], None]) -> Iterator[ScanItem]:
        """Yield every photo of `root` that lies in the folder `below`, which may be the root itself.

        `tick` is called whenever there is progress. Raises OSError when `below` itself cannot be listed.
        """

    def path_checker(self) -> Callable[[str], PhotoFile | NotAFile | OtherPath | None]:
        """Return a function for some paths. It returns what a scan would find at a path. Raises OSError.

        That is None where the path is gone, excluded, or no file.
        """


class Decoder(Protocol):
    """Turns one file into pixels for the model."""

    def decode(self, path: str, preprocess: Preprocess, descriptor: int | None = None) -> Decoded:
        """Read and decode `path`, from `descriptor` if it is open.

        Raises UnreadableImageError with the reason, OSError if the file cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels for the model, and what else the file says of the photo."""

    pixels: Pixels
    info: PhotoInfo


class Tower(Protocol):
    """One tower of a loaded model, whatever runs it."""

    @property
    def info(self) -> ModelInfo:
        """The model."""

    @property
    def runtime(self) -> str:
        """What runs it, with its version."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0", "intel-gpu", "npu"."""

    @property
    def precision(self) -> str:
        """One of "fp32", "bf16" and "fp16"."""

    @property
    def device_choice(self) -> DeviceChoice:
        """Why there, and with this precision."""


class ImageTower(Tower, Protocol):
    """Turns pictures into vectors."""

    @property
    def batch_size(self) -> int:
        """How many pictures are best handed over together."""

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed preprocessed pictures of one size: [n][height, width, 3] uint8 -> [n, dim] unit rows.

        Raises MemoryError if a single picture does not fit, RuntimeError for anything else the model cannot take.
        """


class TextTower(Tower, Protocol):
    """Turns texts into vectors."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: n strings -> [n, dim] unit rows."""


class DeletedVectorLookup(Protocol):
    """The vectors of deleted photos that the store still has, by content."""

    def has_digest(self, digest: bytes) -> bool:
        """Whether the vector of this content is known. This reads memory only, and any thread may call it."""

    def find_digest(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what is known of a content, with its vector, [dim]; the store's thread reads it. Raises StoreError."""


class ModelRows(Protocol):
    """The part of the durable index that belongs to one model. Only the store's thread may call it."""

    def load(self) -> tuple[list[Photo], Vectors]:
        """Return all photos and their vectors, [n, dim] in the same order; dim is 0 while there is no table."""

    def apply(
        self,
        photos: Sequence[tuple[Photo, Vectors]] = (),
        *,
        deletes: Collection[str] = (),
        is_present: Callable[[bytes], bool] = ...,
    ) -> list[RefusedRow]:
        """Write photos, and delete paths, as `Store.apply` does. Raises StoreError."""

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        """Yield what is on disk now, some thousand at a time, with vectors [n, dim]. Raises StoreError."""

    def close(self) -> None:
        """Close the files."""


class Store(Protocol):
    """The durable index. Only one thread at a time may call it."""

    @property
    def deleted_vectors(self) -> DeletedVectorLookup:
        """The vectors of deleted photos."""

    @property
    def needs_optimize(self) -> bool:
        """Whether there were enough writes for `optimize` to be worth its time."""

    def load(self) -> tuple[list[Photo], Vectors]:
        """Return all photos and their vectors, [n, dim] in the same order; dim is 0 while there is no table."""

    def create_or_check(self, identity: ModelIdentity) -> None:
        """Create the table for this model, or check that it was made for it. Raises ModelMismatchError."""

    def open_model(self, identity: ModelIdentity) -> ModelRows:
        """Return the tables of another model, made where there are none, beside those in use. Raises StoreError."""

    def use_model(self, tables: ModelRows) -> None:
        """Read and write these tables, of `open_model`, from now on, and close those that were used until now."""

    def models(self) -> dict[ModelName, int]:
        """Return the models that have photos here, with the bytes of their tables. Raises StoreError."""

    def remove_model(self, model: ModelName) -> int:
        """Delete the tables of a model that is not in use, and return how many bytes they took. Raises StoreError."""

    def find_content(self, path: str, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Return what the store has of a photo, with its vector, [dim]; None where it is not this content.

        Raises StoreError.
        """

    def apply(
        self,
        photos: Iterable[tuple[Photo, Vectors]] = (),
        *,
        failures: Iterable[Failure] = (),
        deletes: Collection[str] = (),
        is_present: Callable[[bytes], bool] = ...,
    ) -> list[RefusedRow]:
        """Write one batch. A path is a photo, a failure or neither: what it was before is deleted.

        The vector of what is deleted is kept, unless `is_present` says that a photo has its content.

        Return the rows that cannot be written. They are left as they were, and stop no other.

        Raises StoreError; then any part of the batch may be written, and all of it has to be applied again.
        """

    def can_rename(self, rename: FolderRename) -> bool:
        """Whether `rename_folder` can rename this folder."""

    def rename_folder(self, rename: FolderRename) -> None:
        """Rename a folder, with all photos in it. Raises StoreError; then it has to be done again."""

    def load_failures(self) -> list[Failure]:
        """Return the photos that could not be read."""

    def load_volumes(self) -> list[Volume]:
        """Return what is remembered of the file systems of the roots."""

    def apply_volumes(self, upserts: Iterable[Volume], deletes: Collection[str]) -> None:
        """Write volumes by path, then deletions. Raises StoreError."""

    def rows(self) -> Iterator[tuple[list[Photo], Vectors]]:
        """Yield what is on disk now, some thousand at a time, with vectors [n, dim]. Raises StoreError."""

    def stats(self) -> list[TableStats]:
        """Return what the tables hold and take on disk. Raises StoreError."""

    def optimize(self) -> float | None:
        """Compact, and drop what is old; return the seconds until more can be dropped, None where all is done."""

    def close(self) -> None:
        """Close the files."""
