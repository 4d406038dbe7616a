"""Which photos go to the worker next, and which are suspected when it exits.

Photos are sent in batches, a few ahead, so that decoding overlaps with the model. When a worker crashes, hangs or takes
too much memory, only the photos that were being decoded at that moment are suspects (if there were none, those that
waited for the model). All others simply wait again. Suspects are tried again in halves, one group at a time, until the
culprit is alone. So it is found after a few restarts, and no other photo of its batch is lost (Baloo, KDE's indexer,
does the same). A photo must be alone at several exits before it is blamed: the less such an exit says, the more.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.indexing.worker_exit import BLAME_THRESHOLD, UNPROVEN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from phsearch.domain.indexing.failure_kind import FailureScope
    from phsearch.domain.indexing.worker_exit import ExitCause, WorkerExit
    from phsearch.domain.types import Fingerprint, PhotoInfo, Vectors


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """A file to decode and embed. The vector of a `check` is only compared with the known one."""

    path: str
    root: str
    fingerprint: Fingerprint
    digest: bytes
    check: bool = False


class Batcher:
    """The queue before the worker and the batches inside it. Times are seconds of any one clock of the caller."""

    def __init__(self, size: int, ahead: int) -> None:
        self.size = size
        self._ahead = ahead
        self._waiting: dict[str, EmbedJob] = {}
        self._checks: dict[str, EmbedJob] = {}
        self._suspects: deque[list[EmbedJob]] = deque()
        self._held: dict[int, dict[str, EmbedJob]] = {}
        self._decoding: dict[str, float] = {}
        self._decoded: set[str] = set()
        self._evidence: Counter[str] = Counter()
        self._number = 0
        self._model_works = False

    @property
    def waiting(self) -> int:
        """Photos that the worker does not have yet, without checks."""
        return len(self._waiting) + sum(map(len, self._suspects))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send to the worker."""
        return not (self._waiting or self._checks or self._suspects)

    @property
    def held(self) -> int:
        """Photos that the worker has."""
        return sum(map(len, self._held.values()))

    def position(self, path: str) -> int | None:
        """Return how many photos wait or are held before a waiting one; None for one that is held or not here."""
        queue = (job.path for batch in self._suspects for job in batch)
        for before, waiting in enumerate((*queue, *self._waiting), self.held):
            if waiting == path:
                return before
        return None

    @property
    def first(self) -> int | None:
        """The number of the oldest batch that the worker has."""
        return next(iter(self._held), None)

    @property
    def busy(self) -> bool:
        """Whether the worker has a batch that it has not closed."""
        return bool(self._held)

    @property
    def decoding(self) -> bool:
        """Whether the worker is decoding, as far as it has reported."""
        return bool(self._decoding)

    def add_job(self, job: EmbedJob) -> None:
        """Queue a photo, a check behind all others; a newer version of the same path replaces the older."""
        (self._checks if job.check else self._waiting)[job.path] = job

    def next_batch(self) -> tuple[int, list[EmbedJob]] | None:
        """Return the next batch and its number, None when the worker has enough or nothing waits."""
        if self._suspects:
            # Suspects go alone, so that the next exit says more.
            if self._held:
                return None
            return self._hold(self._suspects.popleft())
        if len(self._held) >= self._ahead:
            return None
        batch = self._take(self._waiting) or self._take(self._checks)
        return self._hold(batch) if batch else None

    def decode_started(self, path: str, now: float) -> None:
        """Note that the worker has begun to decode a photo, if it has that."""
        if any(path in batch for batch in self._held.values()):
            self._decoding[path] = now

    def decode_finished(self, path: str) -> None:
        """Note that the worker has decoded a photo, so that the model has it now."""
        if self._decoding.pop(path, None) is not None:
            self._decoded.add(path)

    def embedded(self) -> None:
        """Note that the model has given results."""
        self._model_works = True

    def overdue(self, before: float) -> list[str]:
        """Return the photos whose decoding began at `before` or earlier and has not ended."""
        return [path for path, begun in self._decoding.items() if begun <= before]

    def job_finished(self, path: str) -> EmbedJob | None:
        """Remove and return the photo whose result has come; None for one that is not expected."""
        self._forget([path])
        for batch in self._held.values():
            job = batch.pop(path, None)
            if job is not None:
                del self._evidence[path]
                return job
        return None

    def batch_done(self, number: int) -> list[EmbedJob]:
        """Close a batch. Return the photos without a result, which wait again."""
        forgotten = list(self._held.pop(number, {}).values())
        self._forget(job.path for job in forgotten)
        self._requeue(forgotten)
        return forgotten

    def release(self) -> None:
        """Queue all photos of a worker that was stopped again, without suspecting any."""
        for number in list(self._held):
            self.batch_done(number)

    def roots(self) -> set[str]:
        """Return the roots of all photos that wait or that the worker has."""
        batches = (*self._suspects, *(batch.values() for batch in self._held.values()))
        queues = (self._waiting.values(), self._checks.values(), *batches)
        return {job.root for queue in queues for job in queue}

    def drop_check(self, path: str) -> None:
        """Remove a check that waits."""
        self._checks.pop(path, None)

    def withdraw_root(self, root: str) -> list[EmbedJob]:
        """Remove and return all photos of a root that wait."""
        waiting = [each for queue in (self._waiting, self._checks) for each in queue.values() if each.root == root]
        for queue in (self._waiting, self._checks):
            for path in [path for path, each in queue.items() if each.root == root]:
                del queue[path]
        waiting += [each for batch in self._suspects for each in batch if each.root == root]
        rest = ([each for each in batch if each.root != root] for batch in self._suspects)
        self._suspects = deque(batch for batch in rest if batch)
        return waiting

    def take_back(self, root: str) -> list[EmbedJob]:
        """Remove and return all photos of a root that the worker has."""
        held: list[EmbedJob] = []
        for batch in self._held.values():
            gone = [each for each in batch.values() if each.root == root]
            for each in gone:
                del batch[each.path]
            held += gone
        self._forget(each.path for each in held)
        return held

    def worker_exited(self, exit_: WorkerExit, overdue: Collection[str] = ()) -> list[EmbedJob]:
        """Sort out what an exited worker held; return the photos that are certain to be culprits now.

        `overdue` are the photos for which it was killed, if it was. Only these are suspects then, each by itself.
        """
        held = [job for batch in self._held.values() for job in batch.values()]
        suspected = set(overdue) or set(self._decoding) or self._decoded
        suspects = [job for job in held if job.path in suspected]
        self._requeue(job for job in held if job.path not in suspected)
        self._held.clear()
        self._decoding.clear()
        self._decoded.clear()
        if overdue or len(suspects) == 1:
            culprits = [suspect for suspect in suspects if self._blamed(suspect, exit_)]
            self._model_works = False
            return culprits
        if suspects:
            middle = len(suspects) // 2
            self._suspects.extendleft((suspects[middle:], suspects[:middle]))
        return []

    def _blamed(self, suspect: EmbedJob, exit_: WorkerExit) -> bool:
        unproven = exit_.cause == "silent" and not self._model_works
        self._evidence[suspect.path] += UNPROVEN if unproven else exit_.evidence
        if self._evidence[suspect.path] >= BLAME_THRESHOLD:
            del self._evidence[suspect.path]
            return True
        if unproven:
            self._requeue([suspect])  # others may prove that the model works
        else:
            self._suspects.append([suspect])
        return False

    def _take(self, queue: dict[str, EmbedJob]) -> list[EmbedJob]:
        # Results are matched by path, so the worker never has a path twice, as a photo and as a check.
        held = {path for batch in self._held.values() for path in batch}
        paths: list[str] = []
        for path in queue:
            if path not in held:
                paths.append(path)
                if len(paths) == self.size:
                    break
        return [queue.pop(path) for path in paths]

    def _hold(self, batch: list[EmbedJob]) -> tuple[int, list[EmbedJob]]:
        self._number += 1
        self._held[self._number] = {job.path: job for job in batch}
        return self._number, batch

    def _forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._decoding.pop(path, None)
            self._decoded.discard(path)

    def _requeue(self, jobs: Iterable[EmbedJob]) -> None:
        for job in jobs:
            # A newer version of the file may have been queued meanwhile.
            (self._checks if job.check else self._waiting).setdefault(job.path, job)


# --- the result of a photo that was sent to the worker ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Embedded:
    """A photo has its vector, [dim]."""

    photo: EmbedJob
    info: PhotoInfo
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A photo failed, for a reason that holds of the content or of the file.

    `cause` says how the worker exited because of it, if it did. Then the file was not read to its end, so that it has
    to be checked whether it is still there and unchanged.
    """

    photo: EmbedJob
    reason: str
    scope: FailureScope = "content"
    cause: ExitCause | None = None


@dataclass(frozen=True, slots=True)
class ChangedMeanwhile:
    """A photo was rewritten while it was read, so that it must be checked again."""

    photo: EmbedJob


EmbedResult = Embedded | Unreadable | ChangedMeanwhile
