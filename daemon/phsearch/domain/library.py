"""What is known of every photo, in memory: by path, by content and by root.

The store is on disk, the `Library` is what is asked: a scan compares it with the disk, the pipelines ask whether a
content is known, status counts it. Only the event loop uses it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from phsearch.text import fold_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from phsearch.domain.types import Failure, Fingerprint, Photo


class Library:
    """All photos that are findable and all files that failed."""

    def __init__(self, photos: Iterable[Photo] = (), failures: Iterable[Failure] = ()) -> None:
        self._photos: dict[str, Photo] = {}
        self._by_digest = PathsByDigest()
        self._count: Counter[str] = Counter()
        self._failures: dict[str, Failure] = {}
        self._failures_by_digest = PathsByDigest()
        self._folders = FolderIndex()
        for failure in failures:
            self.put_failure(failure)
        for photo in photos:
            self.put_photo(photo)

    def __len__(self) -> int:
        return len(self._photos)

    def __contains__(self, path: str) -> bool:
        return path in self._photos

    def get(self, path: str) -> Photo | None:
        """Return the photo at `path`, None where it is not indexed."""
        return self._photos.get(path)

    def photos(self) -> list[Photo]:
        """Return all photos."""
        return list(self._photos.values())

    def failure(self, path: str) -> Failure | None:
        """Return why the file at `path` is not findable, None where it did not fail."""
        return self._failures.get(path)

    def failures(self) -> list[Failure]:
        """Return all failures, sorted by path."""
        return sorted(self._failures.values(), key=lambda failure: failure.path)

    def failure_of_digest(self, digest: bytes, decoder: str) -> Failure | None:
        """Return a failure of this content with this decoder, None where there is none."""
        failures = (self._failures[path] for path in self._failures_by_digest.paths(digest))
        return next((failure for failure in failures if failure.decoder == decoder), None)

    @property
    def failed(self) -> int:
        """Number of files that failed."""
        return len(self._failures)

    def has_digest(self, digest: bytes) -> bool:
        """Whether a photo has this content. Any thread may ask."""
        return digest in self._by_digest

    def photo_by_digest(self, digest: bytes) -> Photo | None:
        """Return a photo with this content, None where there is none."""
        for path in self._by_digest.paths(digest):
            return self._photos[path]
        return None

    def copies(self, digest: bytes) -> Iterator[str]:
        """Yield the paths of all photos with this content; the library must not change meanwhile."""
        return iter(self._by_digest.paths(digest))

    def count(self, root: str) -> int:
        """Count the photos of `root`."""
        return self._count[root]

    def find_spelling(self, path: str) -> str | None:
        """Return the photo, failure or folder that a path means, in any case and form of accented letters.

        None where there is none; the first by name where there are several.
        """
        if path in self._photos or path in self._failures or path in self._folders:
            return path
        whole, folder, name = fold_name(path), fold_name(_folder(path)), fold_name(path.rpartition("/")[2])
        known = self._folders.items()
        folded = {each: fold_name(each) for each, _ in known}
        files = (each for known_folder, paths in known if folded[known_folder] == folder for each in paths)
        found = [each for each in files if fold_name(each.rpartition("/")[2]) == name]
        depth = path.count("/") + 1
        found = found or [each for each in folded if f"{folded[each]}/".startswith(f"{whole}/")]
        return min(("/".join(each.split("/")[:depth]) for each in found), default=None)

    def under(self, folder: str) -> Iterator[str]:
        """Yield the paths of all photos and failures in `folder`, at any depth."""
        return self._folders.under(folder)

    def folders(self) -> list[tuple[str, frozenset[str]]]:
        """Return every folder that directly holds photos or failures, with their paths."""
        return self._folders.items()

    def is_current(self, path: str, fingerprint: Fingerprint, decoder: str) -> bool:
        """Whether the file as it is now has been dealt with: indexed, or failed with this decoder."""
        photo = self._photos.get(path)
        if photo is not None:
            return photo.fingerprint.is_unchanged(fingerprint)
        failure = self._failures.get(path)
        return failure is not None and failure.fingerprint.is_unchanged(fingerprint) and failure.decoder == decoder

    def learn_ctime(self, path: str, fingerprint: Fingerprint) -> None:
        """Remember when a photo was changed last, where that is not known: of a file that is current."""
        photo = self._photos.get(path)
        if photo is not None and photo.fingerprint.ctime_ns is None:
            self._photos[path] = dataclasses.replace(photo, fingerprint=fingerprint)

    def put_photo(self, photo: Photo) -> None:
        """Add or replace a photo; it replaces a failure of the same path."""
        self.remove_photo(photo.path)
        self._photos[photo.path] = photo
        self._folders.add_path(photo.path)
        self._by_digest.add_path(photo.digest, photo.path)
        self._count[photo.root] += 1

    def put_failure(self, failure: Failure) -> None:
        """Add or replace a failure; it replaces a photo of the same path."""
        self.remove_photo(failure.path)
        self._failures[failure.path] = failure
        if failure.digest is not None:
            self._failures_by_digest.add_path(failure.digest, failure.path)
        self._folders.add_path(failure.path)

    def remove_photo(self, path: str) -> Photo | None:
        """Remove a photo or failure; return the photo, None where there was none."""
        failure = self._failures.pop(path, None)
        photo = self._photos.pop(path, None)
        if photo is None and failure is None:
            return None
        self._folders.discard_path(path)
        if failure is not None and failure.digest is not None:
            self._failures_by_digest.discard_path(failure.digest, path)
        if photo is not None:
            self._by_digest.discard_path(photo.digest, path)
            self._count[photo.root] -= 1
        return photo

    def move_photo(self, source: str, target: str, root: str, *, with_folder: bool = False) -> Photo | None:
        """Rename a photo, or the folder it is in; return it with its new path, None where `source` is not known."""
        photo = self.remove_photo(source)
        if photo is None:
            return None
        # A rename changes the time of the last change; the next scan learns it.
        fingerprint = photo.fingerprint if with_folder else dataclasses.replace(photo.fingerprint, ctime_ns=None)
        moved = dataclasses.replace(photo, path=target, root=root, fingerprint=fingerprint)
        self.put_photo(moved)
        return moved


class PathsByDigest:
    """Paths by the digest of their content: mostly one, so only of several there is a set."""

    def __init__(self) -> None:
        self._paths: dict[bytes, str | set[str]] = {}

    def __contains__(self, digest: bytes) -> bool:
        """Whether a file has this content. Any thread may ask."""
        return digest in self._paths

    def paths(self, digest: bytes) -> Collection[str]:
        """Return the paths of all files with this content; they must not be changed or kept."""
        match self._paths.get(digest, ()):
            case str(path):
                return (path,)
            case paths:
                return paths

    def add_path(self, digest: bytes, path: str) -> None:
        """Add a file."""
        match self._paths.setdefault(digest, path):
            case str(first) if first != path:
                self._paths[digest] = {first, path}
            case set(paths):
                paths.add(path)

    def discard_path(self, digest: bytes, path: str) -> None:
        """Remove a file, which must be known."""
        match self._paths[digest]:
            case set(paths) if len(paths) > 1:
                paths.discard(path)
            case _:
                del self._paths[digest]


class FolderIndex:
    """The files of each folder, and the folders inside it. A folder without files or folders is forgotten.

    So what lies below a folder is found without a look at any other: a tree of ten thousand folders that is deleted
    asks for each of them.
    """

    def __init__(self) -> None:
        self._files: dict[str, set[str]] = {}
        self._folders: dict[str, set[str]] = {}

    def __contains__(self, folder: str) -> bool:
        return folder in self._files

    def add_path(self, path: str) -> None:
        """Add a file."""
        folder = _folder(path)
        files = self._files.get(folder)
        if files is not None:
            files.add(path)
            return
        known = folder in self._folders
        self._files[folder] = {path}
        while not known and folder != "/":
            folder, inside = _folder(folder), folder
            known = folder in self._folders or folder in self._files
            self._folders.setdefault(folder, set()).add(inside)

    def discard_path(self, path: str) -> None:
        """Remove a file, if it is there."""
        folder = _folder(path)
        files = self._files.get(folder, set())
        files.discard(path)
        if files:
            return
        self._files.pop(folder, None)
        while folder != "/" and folder not in self._files and folder not in self._folders:
            folder, inside = _folder(folder), folder
            folders = self._folders.get(folder, set())
            folders.discard(inside)
            if not folders:
                self._folders.pop(folder, None)

    def under(self, folder: str) -> Iterator[str]:
        """Yield all files in a folder, at any depth. It may change meanwhile."""
        inside = [folder.rstrip("/") or "/"]
        for each in inside:
            inside += self._folders.get(each, ())
        for each in inside:
            yield from list(self._files.get(each, ()))

    def items(self) -> list[tuple[str, frozenset[str]]]:
        """Return each folder that has files itself, with these."""
        return [(folder, frozenset(files)) for folder, files in self._files.items()]


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"
