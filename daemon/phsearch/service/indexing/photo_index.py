"""All changes of the index: library, vector index, store and events change together.

Everything here runs on the event loop, without an await between the change of the library and the call queued for the
rank executor, so that both see the same order. Vectors of deleted photos are kept, here for a short time and in the
store for long. So a file that comes back under another name is recognised by its content and costs nothing: after a
slow move between disks, from the trash or from a backup.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cachetools import LRUCache

from phsearch.domain.search.vector_index import round_to_float16
from phsearch.domain.types import Failure, FolderRename, Photo
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.ports import Store
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.content_vectors import ContentVectors
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import ContentDigest, Fingerprint, PhotoInfo, Vectors
    from phsearch.service.events import EventBus
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.threads import SerialExecutor

log = logging.getLogger("phsearch.index")

SEQUENCE_BLOCK = 1 << 20
_MOVED_AT_ONCE = 64
_RECENT = 2_000
"""About 5 MB. They bridge the seconds until the store has them, and keep contents that were overwritten."""


@dataclass(slots=True)
class Counters:
    """Counts since the start. `embedded` counts forward passes of the model for photos."""

    embedded: int = 0
    reused: int = 0
    removed: int = 0
    failed: int = 0


class SequenceNumbers:
    """Gives numbers in blocks: the end of a block is saved before its first number is given.

    So no number is given twice, whatever was lost at a kill, and little is written.
    """

    def __init__(self, *, saved: int, save: Callable[[int], None]) -> None:
        """Go on above `saved`, what `save` was last called with."""
        self.last = saved
        self._end = saved
        self._save = save

    def next_number(self) -> int:
        """Return a number above all that were ever given."""
        if self.last == self._end:
            self._end += SEQUENCE_BLOCK
            try:
                self._save(self._end)
            except OSError as error:
                log.warning("cannot save how far photos are numbered: %s", error.strerror)
        self.last += 1
        return self.last


class PhotoIndex:
    """The only one to change the library, the vector index and what the store holds."""

    def __init__(
        self,
        *,
        library: Library,
        index: VectorIndex,
        rank_executor: SerialExecutor,
        store: Store,
        unrooted: Mapping[bytes, str],
        store_executor: SerialExecutor,
        writer: StoreWriter,
        events: EventBus,
        roots: Roots,
        decoder: str,
        sequence: SequenceNumbers,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`unrooted` holds the contents of photos that the store has and no root holds, with the path of one each."""
        self.library = library
        self.sequence = sequence
        self.counters = Counters()
        self.moved = 0
        """How many of the `reused` photos were renamed or moved."""
        self.last_failure: Failure | None = None
        self._renaming: Counter[str] = Counter()
        """New paths of photos whose vectors are still to come from the rank executor, to be written."""
        self._index = index
        self._rank_executor = rank_executor
        self._store = store
        self._unrooted = dict(unrooted)
        self._store_executor = store_executor
        self._writer = writer
        self._events = events
        self._roots = roots
        self._decoder = decoder
        self._clock = clock
        self._epoch = 0
        """Counts the models: a vector that was asked for in another epoch is that of another model."""
        self._failed_digests: LRUCache[bytes, Failure] = LRUCache(_RECENT)
        self._recent_vectors: LRUCache[bytes, tuple[PhotoInfo, asyncio.Future[list[Vectors | None]], int]] = LRUCache(
            _RECENT
        )

    def add_photo(self, path: str, fingerprint: Fingerprint, digest: bytes, info: PhotoInfo, vector: Vectors) -> None:
        """Add a photo that was just embedded; `vector` is [dim]."""
        self.counters.embedded += 1
        vector = round_to_float16(vector)
        photo = self._put(path, fingerprint, digest, info, vector)
        if photo is not None:
            self._rank_executor.submit_logged(self._index.put_vector, photo, vector)
        self._events.publish("indexed", path)

    async def reuse_vectors(self, contents: Mapping[str, ContentDigest]) -> set[str]:
        """Add photos whose contents are known. Return their paths; any other content is not known, or not any more."""
        copies = {
            path: copied
            for path, content in contents.items()
            if (copied := self.library.photo_by_digest(content.digest)) is not None
        }
        epoch = self._epoch
        copied_paths = [copied.path for copied in copies.values()]
        vectors = await self._rank_executor.submit(self._index.copy_vectors, copied_paths) if copies else []
        found = {
            path: (copied.info, vector)
            for (path, copied), vector in zip(copies.items(), vectors, strict=True)
            if vector is not None
        }
        for path, content in contents.items():
            if path not in found and (known := await self._find_vector(content.digest)) is not None:
                found[path] = known
        if epoch != self._epoch:
            return await self.reuse_vectors(contents)
        self._reuse(contents, found)
        return set(found)

    def _reuse(self, contents: Mapping[str, ContentDigest], found: Mapping[str, tuple[PhotoInfo, Vectors]]) -> None:
        photos: list[Photo] = []
        vectors: list[Vectors] = []
        for path, (info, vector) in found.items():
            content, before = contents[path], self.library.get(path)
            photo = self._put(path, content.fingerprint, content.digest, info, vector)
            if photo is not None:
                photos.append(photo)
                vectors.append(vector)
            if before is None or before.digest != content.digest:
                self.counters.reused += 1
                self._events.publish("reused", path)
        self._rank_executor.submit_logged(self._index.put_vectors, photos, vectors)

    async def _find_vector(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Find a content that no photo has at present."""
        info, recent, place = self._recent_vectors.get(digest) or (None, None, 0)
        # Shielded: the caller may be cancelled with its root while another waits for the same content.
        vector = (await asyncio.shield(recent))[place] if recent is not None else None
        if vector is not None and info is not None:
            return info, vector
        return await self._find_unrooted(digest) or await self._find_deleted(digest)

    async def _find_unrooted(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        """Find a content in the photos of roots that were removed: the library may have moved to another folder."""
        path = self._unrooted.get(digest)
        found = await self._ask_store(self._store.find_content, path, digest) if path is not None else None
        if found is None:
            self._unrooted.pop(digest, None)
        return found

    async def _find_deleted(self, digest: bytes) -> tuple[PhotoInfo, Vectors] | None:
        deleted = self._store.deleted_vectors
        return await self._ask_store(deleted.find_digest, digest) if deleted.has_digest(digest) else None

    async def _ask_store(
        self, find: Callable[..., tuple[PhotoInfo, Vectors] | None], *key: str | bytes
    ) -> tuple[PhotoInfo, Vectors] | None:
        try:
            return await self._store_executor.submit(find, *key)
        except StoreError as error:
            log.warning("%s", error.sentence())
            return None

    def move_photo(self, source: str, target: str) -> bool:
        """Rename a photo without reading it; return False where `source` is not indexed or `target` is in no root."""
        root = self._roots.root_of(target)
        photo = self.library.get(source)
        if root is None or photo is None:
            return False
        self._cache_current_vector(target)
        moved = self.library.move_photo(source, target, root)
        assert moved is not None
        self._renaming[target] += 1
        epoch = self._epoch
        future = self._rank_executor.submit(self._index.rename_path, source, moved)
        future.add_done_callback(lambda done: self._write_moved(source, moved, done.result(), epoch))
        self.counters.reused += 1
        self.moved += 1
        self._events.publish("moved", target, source=source)
        return True

    def move_folder(self, source: str, target: str) -> Iterator[list[str]]:
        """Rename the photos in a folder that was renamed, some at a time, without reading them.

        Yield what cannot be renamed of those: failures, and photos that are in no root now.
        """
        root = self._roots.root_of(target)
        stored = (
            root is not None
            and not (self._roots.nested(source) or self._roots.nested(target))
            # A photo in it that was just renamed is not written yet.
            and not any(path.startswith(f"{source}/") for path in self._renaming)
            and self._writer.rename_folder(FolderRename(source, target, root))
        )
        paths = self.library.under(source)
        while some := list(itertools.islice(paths, _MOVED_AT_ONCE)):
            yield self._move_some([(path, target + path[len(source) :]) for path in some], stored=stored)

    def _move_some(self, moves: list[tuple[str, str]], *, stored: bool) -> list[str]:
        """Rename some photos; `stored` says that the store does so by itself. Return those that are not renamed."""
        moved: list[tuple[str, Photo]] = []
        left: list[str] = []
        for path, target in moves:
            root = self._roots.root_of(target)
            if root is None or path not in self.library:
                left.append(path)
            elif stored:
                self._cache_current_vector(target)
                photo = self.library.move_photo(path, target, root, with_folder=True)
                assert photo is not None
                moved.append((path, photo))
                self._events.publish("moved", target, source=path)
            else:
                self.move_photo(path, target)
        self._rank_executor.submit_logged(self._index.rename_paths, moved)
        self.counters.reused += len(moved)
        self.moved += len(moved)
        return left

    def remove_photos(self, paths: Iterable[str]) -> None:
        """Remove files that are gone."""
        gone: list[Photo] = []
        for path in paths:
            failure = self.library.failure(path)
            if failure is not None and failure.digest is not None:
                self._failed_digests[failure.digest] = failure
            self._writer.delete_photo(path)
            if (photo := self.library.remove_photo(path)) is not None:
                gone.append(photo)
        if not gone:
            return
        self._cache_vectors(gone, self._rank_executor.submit(self._index.pop_vectors, [photo.path for photo in gone]))
        self.counters.removed += len(gone)
        for photo in gone:
            self._events.publish("removed", photo.path)

    def record_failure(
        self, path: str, fingerprint: Fingerprint, reason: str, decoder: str, digest: bytes | None
    ) -> None:
        """Record that a file cannot be indexed; `digest` is that of its content, where the content is the reason.

        Without a `decoder` the content was not read, and each scan tries again: the same again is neither said nor
        written.
        """
        before = self.library.failure(path)
        known = before is not None and (before.reason, before.decoder) == (reason, decoder)
        if before is not None and known and not decoder and before.fingerprint.is_unchanged(fingerprint):
            return
        attempts = before.attempts + 1 if before is not None and before.fingerprint == fingerprint else 1
        self._cache_current_vector(path)
        failure = Failure(path, fingerprint, reason, decoder, attempts, self._clock(), digest)
        self.library.put_failure(failure)
        self._rank_executor.submit_logged(self._index.remove_path, path)
        self._writer.put_failure(failure)
        self.last_failure = failure
        self.counters.failed += 1
        log.warning("%s: %s", path, reason)
        self._events.publish("failed", path, reason=reason)

    def cache_vector(self, digest: bytes, info: PhotoInfo, vector: Vectors) -> None:
        """Cache the vector of a content that no file has at present; `vector` is [dim]."""
        self.counters.embedded += 1
        done: asyncio.Future[list[Vectors | None]] = asyncio.get_running_loop().create_future()
        done.set_result([round_to_float16(vector)])
        self._recent_vectors[digest] = (info, done, 0)

    def use_vectors(self, vectors: ContentVectors, unrooted: Mapping[bytes, str]) -> asyncio.Future[list[Photo]]:
        """Use the vectors of another model from now on, and its `unrooted` contents, as of the constructor.

        The result are the photos that have no vector there: they are not ranked until `add_photo` is called for them.
        """
        self._epoch += 1
        self._recent_vectors.clear()
        self._unrooted = dict(unrooted)
        return self._rank_executor.submit(self._index.replace_vectors, vectors)

    async def run(self) -> None:
        """List the photos that the store cannot hold as failures, until cancelled."""
        while True:
            photo, reason = await self._writer.refused.get()
            if self.library.get(photo.path) == photo:
                self.record_failure(photo.path, photo.fingerprint, reason, self._decoder, None)

    # --- roots are added and removed --------------------------------------------------------------------------

    async def drain_renames(self) -> None:
        """Wait until renames under way have reached the writer."""
        await self._rank_executor.submit(int)

    def reassign_roots(self, former: Roots) -> dict[str, list[str]]:
        """Assign every photo to the root that holds it now. Return the paths in no root, by folder: they are removed.

        `former` are the roots until now.

        Nothing is written. The store keeps what is in no root, and the path of a photo shows in which root it lies.
        """
        outside: dict[str, list[str]] = {}
        cached = 0
        # By folder, which is faster: this blocks the event loop, and there may be a million photos.
        for folder, paths in self.library.folders():
            root = self._roots.root_of(folder)
            if root == former.root_of(folder):
                continue
            for path in paths:
                photo = self.library.get(path)
                if root is None:
                    # It may have been moved to another root a moment ago. No more than the cache holds: see above.
                    if cached < _RECENT:
                        self._cache_current_vector(path)
                        cached += 1
                    self.library.remove_photo(path)
                    if photo is not None:
                        self._unrooted[photo.digest] = path
                    outside.setdefault(folder, []).append(path)
                elif photo is not None and photo.root != root:
                    self.library.put_photo(replace(photo, root=root))
        self._rank_executor.submit_logged(
            self._index.remove_paths, [path for paths in outside.values() for path in paths]
        )
        return outside

    def restore(
        self, photos: Iterable[tuple[Photo, Vectors]], failures: Iterable[Failure], paths: Mapping[str, str]
    ) -> None:
        """Add what the store has of photos that were in no root, or under another path. The vectors are [dim].

        The roots are those of now. `paths` maps the path that the store has to the path of now.
        """
        renamed = {now for before, now in paths.items() if before != now}
        for before, now in paths.items():
            if before != now:
                self._drop_path(before)
        back = [(photo, vector) for photo, vector in photos if photo.path not in self.library]
        for failure in failures:
            if failure.path not in self.library:
                self.library.put_failure(failure)
                if failure.path in renamed:
                    self._writer.put_failure(failure)
        for photo, vector in back:
            self.library.put_photo(photo)
            if photo.path in renamed:
                self._writer.put_photo(photo, vector)
        self._rank_executor.submit_logged(
            self._index.put_vectors, [photo for photo, _ in back], [vector for _, vector in back]
        )

    def _drop_path(self, path: str) -> None:
        """Forget a path whose photo has another one now."""
        self._writer.delete_photo(path)
        if self.library.remove_photo(path) is not None:
            self._rank_executor.submit_logged(self._index.remove_path, path)

    def failure_of_digest(self, digest: bytes, decoder: str) -> Failure | None:
        """Return a failure of this content with this decoder, even of a file that is gone."""
        gone = self._failed_digests.get(digest)
        return self.library.failure_of_digest(digest, decoder) or (gone if gone and gone.decoder == decoder else None)

    def _put(
        self, path: str, fingerprint: Fingerprint, digest: bytes, info: PhotoInfo, vector: Vectors
    ) -> Photo | None:
        """Put a photo into the library and the store, and return it, for the vector index: None outside every root."""
        root = self._roots.root_of(path)
        if root is None:
            return None
        self._cache_current_vector(path)
        known = self.library.get(path)
        # A file that was only touched is not new, and a search for new photos must not find it.
        same = known if known is not None and known.digest == digest else None
        since = self._clock() if same is None else same.indexed_at
        number = self.sequence.next_number() if same is None else same.sequence
        photo = Photo(path, root, fingerprint, digest, info, since, number)
        self.library.put_photo(photo)
        self._writer.put_photo(photo, vector)
        return photo

    def _cache_current_vector(self, path: str) -> None:
        """Cache the content at a path: it may be found elsewhere soon, or may just have been."""
        photo = self.library.get(path)
        if photo is not None:
            self._cache_vectors([photo], self._rank_executor.submit(self._index.copy_vectors, [path]))

    def _cache_vectors(self, photos: Iterable[Photo], vectors: asyncio.Future[list[Vectors | None]]) -> None:
        """Cache the contents of photos now, before their vectors are there: one may be read at this moment."""
        for place, photo in enumerate(photos):
            self._recent_vectors[photo.digest] = (photo.info, vectors, place)

    def _write_moved(self, source: str, photo: Photo, vector: Vectors | None, epoch: int) -> None:
        if epoch != self._epoch:
            vector = None  # that of another model; what the tables of this one lack is written anyway
        self._renaming[photo.path] -= 1
        if not self._renaming[photo.path]:
            del self._renaming[photo.path]
        if source not in self.library:
            self._writer.delete_photo(source)
        current = self.library.get(photo.path)
        if vector is not None and current is not None and current.digest == photo.digest:
            self._writer.put_photo(current, vector)
