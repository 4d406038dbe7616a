"""The contents that are being embedded. Each is embedded once, however many files have it.

A root may be removed while its photos are being embedded. Their results are still of use: other roots may wait for the
same content, and the vector is cached because the content may be met again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from phsearch.domain.indexing.batching import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.indexing.batching import EmbedJob, EmbedResult
    from phsearch.domain.types import PhotoInfo, Vectors


class JobOwner(Protocol):
    """A pipeline, as far as its jobs are concerned."""

    @property
    def closed(self) -> bool:
        """Whether it deals with no more results."""

    def on_embed_result(self, result: EmbedResult) -> None:
        """Deal with the result of a job."""

    def on_duplicate_done(self, photo: EmbedJob) -> None:
        """Take back a job that waited for another of the same content."""


class EmbedQueue(Protocol):
    """Where photos wait to be embedded."""

    def submit_job(self, job: EmbedJob) -> None:
        """Queue a photo; its result comes by `RootPipeline.on_embed_result`."""

    def embed_position(self, path: str) -> int | None:
        """Return how many photos are embedded before one that waits; None for one that does not wait."""

    async def wait_for_space(self, most: int) -> None:
        """Wait until fewer than `most` photos wait."""


@dataclass(slots=True)
class _InFlight:
    """A content that is being embedded, for `owner`. `answered` says that its result has come."""

    job: EmbedJob
    owner: JobOwner
    duplicates: list[tuple[JobOwner, EmbedJob]] = field(default_factory=list)
    answered: bool = False


class InFlightContents:
    """Which pipeline embeds a content, and which wait for it. `cache_vector` gets the results of closed pipelines."""

    def __init__(self, cache_vector: Callable[[bytes, PhotoInfo, Vectors], None]) -> None:
        self._cache_vector = cache_vector
        self._in_flight: dict[bytes, _InFlight] = {}

    def add_job(self, job: EmbedJob, owner: JobOwner) -> bool:
        """Return whether a job is the first of its content, so that it has to be embedded; any other waits for it."""
        flight = self._in_flight.get(job.digest)
        if flight is not None:
            flight.duplicates.append((owner, job))
            return False
        self._in_flight[job.digest] = _InFlight(job, owner)
        return True

    def on_embed_result(self, result: EmbedResult) -> None:
        """Hand a result to the pipeline that asked for it, or cache it where that is closed."""
        flight = self._in_flight[result.photo.digest]
        flight.answered = True
        if not flight.owner.closed:
            flight.owner.on_embed_result(result)
            return
        if isinstance(result, Embedded):
            self._cache_vector(result.photo.digest, result.info, result.vector)
        self.finish_job(result.photo)

    def finish_job(self, job: EmbedJob) -> None:
        """Hand the jobs that waited for this content back to their owners; its result has been dealt with."""
        flight = self._in_flight.pop(job.digest, None)
        for owner, duplicate in flight.duplicates if flight is not None else ():
            if not owner.closed:
                owner.on_duplicate_done(duplicate)

    def release_owner(self, owner: JobOwner) -> None:
        """Finish the jobs of a closed owner whose results have come: it deals with them no more."""
        for flight in list(self._in_flight.values()):
            if flight.owner is owner and flight.answered:
                self.finish_job(flight.job)
