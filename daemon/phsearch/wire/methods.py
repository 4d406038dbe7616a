"""The contract of the protocol: the table of all methods.

The server dispatches by it and checks parameters with it, and `rpc.discover` is generated from it and the records that
are its results. The protocol grows only by additions: a method, an optional parameter or a member of a result may be
added, but never removed or given another meaning. Every result names its protocol, so that a client notices when that
is not its own.
"""

from __future__ import annotations

from phsearch.wire import PROTOCOL
from phsearch.wire.filters import FILTERS
from phsearch.wire.results import albums, daemon, events, library, model, search, why
from phsearch.wire.results.daemon import OpenRpcDocument
from phsearch.wire.schema import Method, Param

MAX_QUERY = 1000
MAX_SEQUENCE = 2**53 - 1
"""Larger whole numbers lose digits in many readers of JSON."""
"""The longest query in characters. Text models read only the first 20 to 60 words."""

MAX_PAUSE = 366 * 86400
"""The longest pause in seconds; a pause without an end is possible, too."""

MAX_TIME = 2**53
"""The latest time in seconds since the epoch, and the earliest before it: JSON numbers are exact up to there."""

MAX_OFFSET = 2**53
"""Above it JSON numbers are not exact everywhere, and stores count in 64 bits."""


def _filters() -> str:
    *first, last = map(str, FILTERS.values())
    return f"{', '.join(first)} or {last}"


MAX_MODEL = 4096
"""The longest name of a model in characters: it may be the path of a folder."""

_MODEL = Param(
    "name",
    "string",
    "fast, balanced, best or multilingual; or a name of open_clip, or local-dir: with a folder",
    required=True,
    low=1,
    high=MAX_MODEL,
)
_PRETRAINED = Param(
    "pretrained", "string", "its weights, where the name does not say which", default="", high=MAX_MODEL
)

METHODS = {
    method.name: method
    for method in (
        Method(
            "search",
            "Rank the library for a text, best first.",
            search.SearchResult,
            (
                Param(
                    "query",
                    "string",
                    "the text to look for",
                    detail=f"in it -word keeps away from something, like:PATH means as in that photo, and {_filters()} "
                    "leave out all others",
                    required=True,
                    low=1,
                    high=MAX_QUERY,
                ),
                Param("limit", "integer", "how many hits at most", default=20, low=1, high=1000),
                Param("min_score", "number", "leave out hits below this cosine", low=-1, high=1),
                Param(
                    "min_band",
                    "string",
                    "leave out hits whose relevance is of a lower band",
                    choices=("strong", "likely", "weak"),
                ),
                Param("min_relevance", "number", "leave out hits that are less probable", low=0, high=1),
                Param("collapse", "boolean", "show one photo of each moment, the best", default=False),
                Param(
                    "indexed_after",
                    "number",
                    "only photos indexed after this time, in seconds since the epoch",
                    low=-MAX_TIME,
                    high=MAX_TIME,
                ),
                Param("indexed_until", "number", "only photos indexed then or before", low=-MAX_TIME, high=MAX_TIME),
                Param(
                    "after_sequence",
                    "integer",
                    "only photos that came after the one of this number, whatever the clock did",
                    low=0,
                    high=MAX_SEQUENCE,
                ),
                Param("until_sequence", "integer", "only that one and those before it", low=0, high=MAX_SEQUENCE),
                Param("cwd", "string", "the folder that like:PATH begins at", low=1, high=4096, path=True),
                Param(
                    "model",
                    "string",
                    "search by this model, which is being prepared, as far as it has come",
                    low=1,
                    high=MAX_MODEL,
                ),
                Param(
                    "sync",
                    "number",
                    "first wait, so many seconds at most, until the index has caught up",
                    low=0,
                    high=3600,
                ),
            ),
        ),
        Method(
            "status",
            "Say how the daemon is.",
            daemon.Status,
        ),
        Method(
            "doctor",
            "Look for what is wrong or could be better, and say what to do.",
            daemon.Diagnosis,
        ),
        Method(
            "metrics",
            "Give the numbers a monitoring system wants.",
            daemon.Metrics,
        ),
        Method(
            "model.list",
            "List the models to choose from, and those that have an index here.",
            model.ModelList,
            (
                Param(
                    "measure",
                    "boolean",
                    "embed some photos again for five seconds, to estimate how long each model would take",
                    default=False,
                ),
            ),
        ),
        Method(
            "model.use",
            "Change to another model: it is prepared while the present one answers, and then takes over.",
            model.ModelChange,
            (_MODEL, _PRETRAINED),
            changes=True,
        ),
        Method(
            "model.cancel",
            "Stay with the present model; what was prepared of the other is kept.",
            model.ModelChange,
            changes=True,
        ),
        Method(
            "model.remove",
            "Remove the index and the prepared files of a model that is not in use.",
            model.RemovedModel,
            (_MODEL, _PRETRAINED),
            changes=True,
        ),
        Method(
            "model.calibrate",
            "Fit the relevance of the model that answers to photos with captions; it takes minutes.",
            model.ModelCalibration,
            (
                Param(
                    "folder",
                    "string",
                    "a folder with captions.tsv: in each line the name of a photo, a tab, a caption",
                    required=True,
                    low=1,
                    high=4096,
                    path=True,
                ),
            ),
            changes=True,
        ),
        Method(
            "library.rescan",
            "Compare the roots with the index now.",
            library.StartedScans,
            (Param("path", "string", "only this file or folder", low=1, high=4096, path=True),),
            changes=True,
        ),
        Method(
            "library.confirm_deletions",
            "Take what is missing in a root for deleted: it is forgotten, be the root offline or not.",
            library.ConfirmedDeletions,
            (Param("root", "string", "the watched folder", required=True, low=1, high=4096, path=True),),
            changes=True,
        ),
        Method(
            "library.forget",
            "Forget the photos of a folder that is watched no longer, before their time of grace is over.",
            library.ForgottenRoot,
            (Param("root", "string", "the folder, as status names it", required=True, low=1, high=4096, path=True),),
            changes=True,
        ),
        Method(
            "library.errors",
            "List the photos that could not be read.",
            library.PhotoErrors,
            (
                Param("limit", "integer", "how many at most", default=1000, low=1, high=5000),
                Param("offset", "integer", "how many to skip", default=0, low=0, high=MAX_OFFSET),
            ),
        ),
        Method(
            "library.names",
            "List the cameras or the folders of the library, as the filters camera: and in: take them.",
            library.Names,
            (
                Param("kind", "string", "which names", required=True, choices=("camera", "folder")),
                Param("prefix", "string", "only names that begin so, in any case", default="", high=1000),
            ),
        ),
        Method(
            "library.why",
            "Say where a photo is, and why it is found or not.",
            why.Explanation,
            (
                Param("path", "string", "the absolute path to explain", required=True, low=1, high=4096, path=True),
                Param("query", "string", "also say how well it matches this", low=1, high=MAX_QUERY),
            ),
        ),
        Method(
            "library.thumbnail",
            "Give a small picture of a photo, upright.",
            library.Thumbnail,
            (
                Param("path", "string", "a photo of the library", required=True, low=1, high=4096, path=True),
                Param("width", "integer", "how many pixels wide at most", default=256, low=16, high=1024),
                Param("height", "integer", "how many pixels high at most", default=256, low=16, high=1024),
                Param("format", "string", "how it is encoded", default="png", choices=("png", "jpeg", "sixel")),
            ),
        ),
        Method(
            "library.retry",
            "Try photos that could not be read again, though nothing changed.",
            library.StartedRetries,
            (Param("path", "string", "only this photo, or those below this folder", low=1, high=4096, path=True),),
            changes=True,
        ),
        Method(
            "library.verify",
            "Compare the index with the files, and embed a random sample again; may take minutes.",
            library.Verification,
            (
                Param(
                    "sample",
                    "integer",
                    "how many photos to read and embed again; more than there are means all",
                    default=200,
                    low=0,
                    high=MAX_OFFSET,
                ),
            ),
        ),
        Method(
            "library.dupes",
            "List photos that are there twice, or nearly, for review: bursts, edits, a RAW with its JPEG.",
            library.Duplicates,
            (
                Param("kind", "string", "which groups", default="all", choices=("all", "exact", "near")),
                Param("path", "string", "only groups with a photo at or below this", low=1, high=4096, path=True),
                Param("limit", "integer", "how many groups at most", default=100, low=1, high=1000),
                Param("offset", "integer", "how many to skip", default=0, low=0, high=MAX_OFFSET),
            ),
        ),
        Method(
            "albums.list",
            "List the queries that are kept.",
            albums.AlbumList,
        ),
        Method(
            "albums.save",
            "Keep a query under a name, instead of one that has it.",
            albums.SavedAlbum,
            (
                Param("name", "string", "what it is called", required=True, low=1, high=100),
                Param("query", "string", "the query, as search takes it", required=True, low=1, high=MAX_QUERY),
                Param("limit", "integer", "how many photos at most", default=1000, low=1, high=1000),
                Param("min_band", "string", "leave out photos of a lower band", choices=("strong", "likely", "weak")),
                Param("folder", "boolean", "keep a folder of symbolic links to its photos, too", default=False),
            ),
            changes=True,
        ),
        Method(
            "albums.remove",
            "Forget a kept query and its links; no photo is touched.",
            albums.RemovedAlbum,
            (Param("name", "string", "what it is called", required=True, low=1, high=100),),
            changes=True,
        ),
        Method(
            "config.reload",
            "Read the settings again: all of them are taken, or none where there is a mistake.",
            daemon.ConfigChanges,
            (
                Param("check", "boolean", "only say what would change", default=False),
                Param(
                    "removed",
                    "string",
                    "what becomes of the photos of removed roots: what the settings say, kept, or forgotten now",
                    default="grace",
                    choices=("grace", "keep", "forget"),
                ),
            ),
            changes=True,
        ),
        Method(
            "library.pause",
            "Stop reading and embedding photos after the batch in hand; changes are still taken note of.",
            daemon.PaceChange,
            (
                Param(
                    "seconds", "number", "for how long; until library.resume if it is left out", low=1, high=MAX_PAUSE
                ),
            ),
            changes=True,
        ),
        Method(
            "library.resume",
            "End the pause.",
            daemon.PaceChange,
            (
                Param(
                    "force",
                    "boolean",
                    "go on at full pace whatever the battery and pressure are, for as long as they are so",
                    default=False,
                ),
            ),
            changes=True,
        ),
        Method(
            "events.subscribe",
            "Turn this connection into a stream of `event` notifications.",
            events.Subscription,
        ),
        Method("rpc.discover", "Describe all methods.", daemon.OpenRpcDocument),
    )
}


def discover(version: str) -> OpenRpcDocument:
    """Return the OpenRPC document of the table."""
    return OpenRpcDocument(
        openrpc="1.3.2",
        info={"title": "phsearch", "version": version, "x-protocol": PROTOCOL},
        methods=tuple(method.describe() for method in METHODS.values()),
    )
