"""The daemon for Python programs: a method for each method of the protocol, with typed results.

    from phsearch.client import Client

    with Client() as client:
        for hit in client.search("dog on a beach", limit=5).hits:
            print(hit.path)

Errors are those of `phsearch.errors`: DaemonUnreachableError, AnswerTimeoutError, and RemoteError with its `kind`. All
of them are PhsearchError. The results are in `phsearch.wire.results`. The topic "python" of the manual says more.
"""

# ruff: noqa: PLC0415 - a program imports no more results than it asks for: that would take longer than the answer

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Self

from phsearch.client.connection import RESTART_HINT, START_HINT, STARTING, TIMEOUT, Connection, parse_answer
from phsearch.paths import absolute_path, working_folder

if TYPE_CHECKING:
    from typing import Literal, TypeVar

    from phsearch.wire.record import Record
    from phsearch.wire.results.albums import Album
    from phsearch.wire.results.daemon import (
        ConfigChanges,
        Diagnosis,
        Metrics,
        OpenRpcDocument,
        PaceChange,
        Status,
    )
    from phsearch.wire.results.events import Event
    from phsearch.wire.results.library import (
        ConfirmedDeletions,
        Duplicates,
        ForgottenRoot,
        PhotoErrors,
        StartedRetries,
        StartedScans,
        Thumbnail,
        Verification,
    )
    from phsearch.wire.results.model import ModelCalibration, ModelChange, ModelList, RemovedModel
    from phsearch.wire.results.search import SearchResult
    from phsearch.wire.results.why import Explanation

    _R = TypeVar("_R", bound=Record)
    Path = str | os.PathLike[str]
    MinBand = Literal["strong", "likely", "weak"]


__all__ = ["RESTART_HINT", "STARTING", "START_HINT", "TIMEOUT", "Client", "Connection", "EventStream", "parse_answer"]


class Client(Connection):
    """Calls the daemon. Parameters and results are those of the protocol; paths are made absolute, never resolved.

    A call has `timeout` seconds, 10 by default. Verifying a large library takes minutes: give such a client more.
    """

    def search(  # noqa: PLR0913 - the parameters of the protocol
        self,
        query: str,
        *,
        limit: int = 20,
        min_score: float | None = None,
        min_band: MinBand | None = None,
        min_relevance: float | None = None,
        collapse: bool = False,
        indexed_after: float | None = None,
        indexed_until: float | None = None,
        after_sequence: int | None = None,
        until_sequence: int | None = None,
        cwd: Path | None = None,
        model: str | None = None,
        sync: float | None = None,
    ) -> SearchResult:
        """Return the photos that fit a query, best first. `like:` begins at `cwd`, by default the working folder.

        With `sync` the daemon first waits, so many seconds at most, until the index has caught up. `model` is one
        that is being prepared, which then ranks what it has so far.
        """
        from phsearch.wire.results.search import SearchResult

        if cwd is None:
            with contextlib.suppress(OSError):  # the working folder was removed
                cwd = working_folder(os.environ)
        params = {
            "query": query,
            "limit": limit,
            "min_score": min_score,
            "min_band": min_band,
            "min_relevance": min_relevance,
            "collapse": collapse,
            "indexed_after": indexed_after,
            "indexed_until": indexed_until,
            "after_sequence": after_sequence,
            "until_sequence": until_sequence,
            "cwd": _absolute(cwd),
            "model": model,
            "sync": sync,
        }
        self.timeout += sync or 0
        try:
            return self._fetch(SearchResult, "search", **params)
        finally:
            self.timeout -= sync or 0

    def why(self, path: Path, query: str | None = None) -> Explanation:
        """Return where a photo is, and with a query how well it matches."""
        from phsearch.wire.results.why import Explanation

        return self._fetch(Explanation, "library.why", path=_absolute(path), query=query)

    def status(self) -> Status:
        """Return how the daemon is."""
        from phsearch.wire.results.daemon import Status

        return self._fetch(Status, "status")

    def doctor(self) -> Diagnosis:
        """Return what the daemon finds wrong."""
        from phsearch.wire.results.daemon import Diagnosis

        return self._fetch(Diagnosis, "doctor")

    def metrics(self) -> Metrics:
        """Return numbers in Prometheus' text format."""
        from phsearch.wire.results.daemon import Metrics

        return self._fetch(Metrics, "metrics")

    def rescan(self, path: Path | None = None) -> StartedScans:
        """Compare all watched folders with the index, or only the one that holds `path`."""
        from phsearch.wire.results.library import StartedScans

        return self._fetch(StartedScans, "library.rescan", path=_absolute(path))

    def errors(self, *, limit: int = 1000, offset: int = 0) -> PhotoErrors:
        """Return the photos that could not be read."""
        from phsearch.wire.results.library import PhotoErrors

        return self._fetch(PhotoErrors, "library.errors", limit=limit, offset=offset)

    def names(self, kind: Literal["camera", "folder"], prefix: str = "") -> tuple[str, ...]:
        """Return cameras or folders whose name begins with `prefix`, as the filters `camera:` and `in:` take them."""
        from phsearch.wire.results.library import Names

        return self._fetch(Names, "library.names", kind=kind, prefix=prefix).names

    def retry(self, path: Path | None = None) -> StartedRetries:
        """Try all photos again that could not be read, or only those at or below `path`."""
        from phsearch.wire.results.library import StartedRetries

        return self._fetch(StartedRetries, "library.retry", path=_absolute(path))

    def verify(self, *, sample: int = 200) -> Verification:
        """Compare the index with the files, and embed a random sample again."""
        from phsearch.wire.results.library import Verification

        return self._fetch(Verification, "library.verify", sample=sample)

    def confirm_deletions(self, root: Path) -> ConfirmedDeletions:
        """Forget the photos that are missing in a watched folder."""
        from phsearch.wire.results.library import ConfirmedDeletions

        return self._fetch(ConfirmedDeletions, "library.confirm_deletions", root=_absolute(root))

    def forget(self, root: Path) -> ForgottenRoot:
        """Forget the photos of a folder that is watched no longer."""
        from phsearch.wire.results.library import ForgottenRoot

        return self._fetch(ForgottenRoot, "library.forget", root=_absolute(root))

    def duplicates(
        self,
        path: Path | None = None,
        *,
        kind: Literal["all", "exact", "near"] = "all",
        limit: int = 100,
        offset: int = 0,
    ) -> Duplicates:
        """Return groups of photos that are there twice or nearly so, everywhere or at or below `path`."""
        from phsearch.wire.results.library import Duplicates

        return self._fetch(Duplicates, "library.dupes", path=_absolute(path), kind=kind, limit=limit, offset=offset)

    def thumbnail(
        self,
        path: Path,
        *,
        width: int = 256,
        height: int = 256,
        format: Literal["png", "jpeg", "sixel"] = "png",  # noqa: A002 - its name in the protocol
    ) -> Thumbnail:
        """Return a small picture of a photo."""
        from phsearch.wire.results.library import Thumbnail

        return self._fetch(
            Thumbnail, "library.thumbnail", path=_absolute(path), width=width, height=height, format=format
        )

    def albums(self) -> tuple[Album, ...]:
        """Return all albums."""
        from phsearch.wire.results.albums import AlbumList

        return self._fetch(AlbumList, "albums.list").albums

    def save_album(
        self, name: str, query: str, *, limit: int = 1000, min_band: MinBand | None = None, folder: bool = False
    ) -> Album:
        """Keep a query under a name, and with `folder` a folder of links to its photos."""
        from phsearch.wire.results.albums import SavedAlbum

        params = {"name": name, "query": query, "limit": limit, "min_band": min_band, "folder": folder}
        return self._fetch(SavedAlbum, "albums.save", **params).album

    def remove_album(self, name: str) -> None:
        """Forget an album and its links; no photo is touched."""
        from phsearch.wire.results.albums import RemovedAlbum

        self._fetch(RemovedAlbum, "albums.remove", name=name)

    def reload(self, *, check: bool = False, removed: Literal["grace", "keep", "forget"] = "grace") -> ConfigChanges:
        """Make the daemon read its settings again; with `check` only return what would change."""
        from phsearch.wire.results.daemon import ConfigChanges

        return self._fetch(ConfigChanges, "config.reload", check=check, removed=removed)

    def pause(self, seconds: float | None = None) -> PaceChange:
        """Stop indexing for so many seconds, or until `resume`."""
        from phsearch.wire.results.daemon import PaceChange

        return self._fetch(PaceChange, "library.pause", seconds=seconds)

    def resume(self, *, force: bool = False) -> PaceChange:
        """Go on with indexing; with `force` whatever the battery and the pressure are."""
        from phsearch.wire.results.daemon import PaceChange

        return self._fetch(PaceChange, "library.resume", force=force)

    def models(self, *, measure: bool = False) -> ModelList:
        """Return the models to choose from; with `measure` how long each would take is estimated, in some seconds."""
        from phsearch.wire.results.model import ModelList

        return self._fetch(ModelList, "model.list", measure=measure)

    def use_model(self, name: str, pretrained: str = "") -> ModelChange:
        """Change to another model, which answers when it has embedded every photo."""
        from phsearch.wire.results.model import ModelChange

        return self._fetch(ModelChange, "model.use", name=name, pretrained=pretrained)

    def cancel_model(self) -> ModelChange:
        """Stay with the present model."""
        from phsearch.wire.results.model import ModelChange

        return self._fetch(ModelChange, "model.cancel")

    def remove_model(self, name: str, pretrained: str = "") -> RemovedModel:
        """Remove the index and the prepared files of a model that is not in use."""
        from phsearch.wire.results.model import RemovedModel

        return self._fetch(RemovedModel, "model.remove", name=name, pretrained=pretrained)

    def calibrate_model(self, folder: str) -> ModelCalibration:
        """Fit the relevance of the model that answers to the photos of a folder with captions.tsv: it takes minutes."""
        from phsearch.wire.results.model import ModelCalibration

        return self._fetch(ModelCalibration, "model.calibrate", folder=folder)

    def discover(self) -> OpenRpcDocument:
        """Return the description of all methods."""
        from phsearch.wire.results.daemon import OpenRpcDocument

        return self._fetch(OpenRpcDocument, "rpc.discover")

    def events(self) -> EventStream:
        """Return all that happens from now on. It has a connection of its own, so other calls go on meanwhile."""
        return EventStream(self.socket_path, self.timeout)

    def _fetch(self, kind: type[_R], method: str, /, **params: Any) -> _R:
        given = {name: value for name, value in params.items() if value is not None}
        return parse_answer(kind, self.call(method, **given))


class EventStream:
    """Events as they happen: an iterator, and a context manager that closes the connection.

    Raise DaemonUnreachableError when the daemon ends.
    """

    def __init__(self, socket_path: Path | None, timeout: float) -> None:
        self._connection = Connection(socket_path, timeout)
        self._connection.call("events.subscribe")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self.next_event()
        assert event is not None
        return event

    def next_event(self, seconds: float | None = None) -> Event | None:
        """Return the next event; None when none comes within `seconds`."""
        from phsearch.wire.results.events import Event

        found = self._connection.next_notification(seconds)
        return None if found is None else parse_answer(Event, found)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _absolute(path: Path | None) -> str | None:
    return None if path is None else absolute_path(os.fspath(path), os.environ)
