"""Albums: queries that are kept under a name."""

from typing import Annotated

from phsearch.wire.record import Record


class Album(Record):
    """A kept query."""

    name: str
    query: str
    limit: int
    min_band: str | None
    folder: Annotated[str | None, "the folder of links to its photos; null without one"]
    photos: Annotated[int | None, "how many links there are"]
    problem: Annotated[str | None, "why the folder is not up to date; null if it is"]


class AlbumList(Record):
    """All albums, by name."""

    albums: tuple[Album, ...]


class SavedAlbum(Record):
    """The album that was kept."""

    album: Album


class RemovedAlbum(Record):
    """The name of the album that was forgotten."""

    removed: str
