"""The models: what there is to choose from, and a change from one to another."""

from typing import Annotated, Literal

from phsearch.wire.record import Record
from phsearch.wire.results.daemon import SwitchStatus


class ModelChange(Record):
    """What is done for a change of the model."""

    name: Annotated[str, "the model that answers"]
    pretrained: str
    switch: Annotated[SwitchStatus | None, "the change under way, null if there is none"]


class ModelEntry(Record):
    """A model to choose."""

    name: str
    pretrained: str
    preset: Annotated[str, "a short name that stands for it"] = ""
    state: Annotated[
        Literal["", "active", "preparing", "kept"], "kept: its index is there, and is brought up to date when chosen"
    ] = ""
    languages: str = ""
    download_mb: Annotated[int | None, "0 if it comes with phsearch, null if unknown"] = None
    disk_mb: Annotated[float | None, "of its index for 100,000 photos"] = None
    ram_mb: Annotated[float | None, "of the daemon for 100,000 photos"] = None
    quality: Annotated[str, "a published or measured figure, with its source"] = ""
    seconds: Annotated[float | None, "estimated for the photos of this library on this machine"] = None
    index_mb: Annotated[float | None, "what its index takes on this disk"] = None
    forgotten_at: Annotated[float | None, "when the index of a former model is removed"] = None


class ModelList(Record):
    """The models that there are to choose from, and those that have an index here."""

    models: tuple[ModelEntry, ...]
    photos: Annotated[int, "how many photos the estimates are for"]
    measured: Annotated[int, "how many of them were embedded for the estimates"]


class RemovedModel(Record):
    """A model whose index was removed."""

    name: str
    pretrained: str
    bytes: Annotated[int, "how many were freed"]


class ModelCalibration(Record):
    """A model whose relevance was fitted to photos with captions."""

    name: str
    pretrained: str
    photos: Annotated[int, "how many it was fitted to"]
    skipped: Annotated[int, "how many of the folder were not: they cannot be read, or a thousand are enough"]
    queries: Annotated[int, "how many words and captions were asked"]
