"""All changes of the index: library, vector index, store and events change together.

Everything here runs on the event loop, without an await between the change of the library and the call queued for the
rank executor, so that both see the same order. Vectors of deleted photos are kept, here for a short time and in the
store for long. So a file that comes back under another name is recognised by its content and costs nothing: after a
slow move between disks, from the trash or from a backup.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cachetools import LRUCache

from phsearch.domain.search.vector_index import round_to_float16
from phsearch.domain.types import Failure, Photo
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from phsearch.domain.library import Library
    from phsearch.domain.ports import Store
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import Fingerprint, PhotoInfo, Vectors
    from phsearch.service.events import EventBus
    from phsearch.service.indexing.store_writer import StoreWriter
    from phsearch.service.threads import SerialExecutor

log = logging.getLogger("phsearch.index")

SEQUENCE_BLOCK = 1 << 20
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
        self._failed_digests: LRUCache[bytes, Failure] = LRUCache(_RECENT)
        self._recent_vectors: LRUCache[bytes, tuple[PhotoInfo, asyncio.Future[Vectors | None]]] = LRUCache(_RECENT)

    def add_photo(self, path: str, fingerprint: Fingerprint, digest: bytes, info: PhotoInfo, vector: Vectors) -> None:
        """Add a photo that was just embedded; `vector` is [dim]."""
        self.counters.embedded += 1
        self._put(path, fingerprint, digest, info, round_to_float16(vector))
        self._events.publish("indexed", path)

    async def reuse_vector(self, path: str, fingerprint: Fingerprint, digest: bytes) -> bool:
        """Add a photo whose content is known; return False when it is not known, or not any more."""
        duplicate = self.library.photo_by_digest(digest)
        if duplicate is not None:
            vector = await self._rank_executor.submit(self._index.vector, duplicate.path)
            info: PhotoInfo | None = duplicate.info
        else:
            info, recent = self._recent_vectors.get(digest) or (None, None)
            # Shielded: the caller may be cancelled with its root while another waits for the same content.
            vector = await asyncio.shield(recent) if recent is not None else None
        if vector is None or info is None:
            stored = await self._find_unrooted(digest) or await self._find_deleted(digest)
            if stored is None:
                return False
            info, vector = stored
        known = self.library.get(path)
        self._put(path, fingerprint, digest, info, vector)
        if known is None or known.digest != digest:
            self.counters.reused += 1
            self._events.publish("reused", path)
        return True

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
        future = self._rank_executor.submit(self._index.rename_path, source, moved)
        future.add_done_callback(lambda done: self._write_moved(source, moved, done.result()))
        self.counters.reused += 1
        self.moved += 1
        self._events.publish("moved", target, source=source)
        return True

    def remove_photo(self, path: str) -> None:
        """Remove a file that is gone."""
        self._cache_current_vector(path)
        failure = self.library.failure(path)
        if failure is not None and failure.digest is not None:
            self._failed_digests[failure.digest] = failure
        self._writer.delete_photo(path)
        if self.library.remove_photo(path) is None:
            return
        self._rank_executor.submit_logged(self._index.remove_path, path)
        self.counters.removed += 1
        self._events.publish("removed", path)

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
        done: asyncio.Future[Vectors | None] = asyncio.get_running_loop().create_future()
        done.set_result(round_to_float16(vector))
        self._recent_vectors[digest] = (info, done)

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

    def reassign_roots(self) -> dict[str, list[str]]:
        """Assign every photo to the root that holds it now. Return the paths in no root, by folder: they are removed.

        Nothing is written. The store keeps what is in no root, and the path of a photo shows in which root it lies.
        """
        outside: dict[str, list[str]] = {}
        cached = 0
        # By folder, which is faster: this blocks the event loop, and there may be a million photos.
        for folder, paths in self.library.folders():
            root = self._roots.root_of(folder)
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

    def _put(self, path: str, fingerprint: Fingerprint, digest: bytes, info: PhotoInfo, vector: Vectors) -> None:
        root = self._roots.root_of(path)
        if root is None:
            return
        self._cache_current_vector(path)
        known = self.library.get(path)
        # A file that was only touched is not new, and a search for new photos must not find it.
        same = known if known is not None and known.digest == digest else None
        since = self._clock() if same is None else same.indexed_at
        number = self.sequence.next_number() if same is None else same.sequence
        photo = Photo(path, root, fingerprint, digest, info, since, number)
        self.library.put_photo(photo)
        self._rank_executor.submit_logged(self._index.put_vector, photo, vector)
        self._writer.put_photo(photo, vector)

    def _cache_current_vector(self, path: str) -> None:
        """Cache the content at a path: it may be found elsewhere soon, or may just have been."""
        photo = self.library.get(path)
        if photo is None:
            return
        # Now, before the vector is there: the file with the photo's new name may be read at this moment.
        self._recent_vectors[photo.digest] = (photo.info, self._rank_executor.submit(self._index.vector, path))

    def _write_moved(self, source: str, photo: Photo, vector: Vectors | None) -> None:
        if source not in self.library:
            self._writer.delete_photo(source)
        current = self.library.get(photo.path)
        if vector is not None and current is not None and current.digest == photo.digest:
            self._writer.put_photo(current, vector)
