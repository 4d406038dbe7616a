"""The contract of the protocol: the table of all methods.

The server dispatches by it and checks parameters with it, `rpc.discover` is generated from it, and the client and the
README follow it. The protocol grows only by additions: a method, an optional parameter or a member of a result may be
added, but never removed or given another meaning. Every result names its protocol, so that a client notices when that
is not its own.
"""

from __future__ import annotations

from typing import Any

from phsearch.wire import PROTOCOL
from phsearch.wire.filters import FILTERS
from phsearch.wire.schema import Method, Param

MAX_QUERY = 1000
"""The longest query in characters. Text models read only the first 20 to 60 words."""

MAX_PAUSE = 366 * 86400
"""The longest pause in seconds; a pause without an end is possible, too."""

MAX_OFFSET = 2**53
"""Above it JSON numbers are not exact everywhere, and stores count in 64 bits."""


def _filters() -> str:
    *first, last = map(str, FILTERS.values())
    return f"{', '.join(first)} or {last}"


METHODS = {
    method.name: method
    for method in (
        Method(
            "search",
            "Rank the library for a text, best first.",
            "{hits: [{path, score, relevance, band, share, more, root, taken_at, width, height, format, camera, "
            "indexed_at, offline, last_seen}], understood, matching, hidden, closest, pending, held, photos, took_ms, "
            "synced}; score is the cosine between query and photo (0 where the query only filters), relevance the "
            "probability that the photo is what was meant and band one of strong, likely, weak, none (both null where "
            "nothing ranks), share its part of the model's own softmax over the hits, more how many near-duplicates it "
            "stands for; understood is {aims: [{text or like, weight}], filters: [{key, value, negated}]}, matching "
            "counts the photos that pass the filters, hidden those that min_band, min_relevance or min_score leave "
            "out, closest is the best relevance among them (null if there is none); pending counts photos seen but not "
            "yet searchable, held says why they are not being indexed (null if they are), synced says, where sync was "
            "asked for, whether every file closed before the question could be found; an offline photo's disk was last "
            "there at last_seen (seconds since the epoch, null if unknown)",
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
                Param("indexed_after", "number", "only photos indexed after this time, in seconds since the epoch"),
                Param("indexed_until", "number", "only photos indexed then or before"),
                Param("cwd", "string", "the folder that like:PATH begins at", low=1, high=4096, path=True),
                Param(
                    "sync",
                    "number",
                    "first wait, so many seconds at most, until the index has caught up",
                    low=0,
                    high=3600,
                ),
            ),
            tool="search",
        ),
        Method(
            "status",
            "Say how the daemon is.",
            "{version, protocol, pid, uptime, model, photos, pending, scanning, errors, counters, roots, rate, eta, "
            "pace, last_error, bottleneck, notices, removed: [{path, photos, since, forgotten_at}]}; pace is {state, "
            "share, causes, text, until, pressure}, state one of full, throttled, paused; bottleneck is {stage, text, "
            "remedy, rates: {reached, reading, decode, model, store}}: the stage that holds up the photos; rates are "
            "photos a second, null if unknown",
            tool="status",
        ),
        Method(
            "doctor",
            "Look for what is wrong or could be better, and say what to do.",
            "{version, python, pid, state, checks: [{name, state, text, remedy}]}; a check's state is ok, warn or fail",
        ),
        Method(
            "metrics",
            "Give the numbers a monitoring system wants.",
            "{content_type, text}: in Prometheus' text format",
        ),
        Method(
            "library.rescan",
            "Compare the roots with the index now.",
            "{roots: [path]}: those in which a scan was started",
            (Param("path", "string", "only this file or folder", low=1, high=4096, path=True),),
        ),
        Method(
            "library.confirm_deletions",
            "Take what is missing in a root for deleted: it is forgotten, be the root offline or not.",
            "{root, missing}: how many photos that are",
            (Param("root", "string", "the watched folder", required=True, low=1, high=4096, path=True),),
        ),
        Method(
            "library.forget",
            "Forget the photos of a folder that is watched no longer, before their time of grace is over.",
            "{root, forgotten}: how many photos that are",
            (Param("root", "string", "the folder, as status names it", required=True, low=1, high=4096, path=True),),
        ),
        Method(
            "library.errors",
            "List the photos that could not be read.",
            "{errors: [{path, reason, attempts, failed_at}], total}",
            (
                Param("limit", "integer", "how many at most", default=1000, low=1, high=5000),
                Param("offset", "integer", "how many to skip", default=0, low=0, high=MAX_OFFSET),
            ),
        ),
        Method(
            "library.why",
            "Say where a photo is, and why it is found or not.",
            "{path, verdict, findable, text, root, match, ...}; verdict is one of outside, offline, missing, "
            "unreadable, excluded, folder, unseen, settling, queued, indexing, failed, indexed, changed, and brings "
            "facts of its own; match is {query, rank, photos, score, text}, or null without a query or a vector",
            (
                Param("path", "string", "the absolute path to explain", required=True, low=1, high=4096, path=True),
                Param("query", "string", "also say how well it matches this", low=1, high=MAX_QUERY),
            ),
            tool="why",
        ),
        Method(
            "library.thumbnail",
            "Give a small picture of a photo, upright.",
            "{path, width, height, format, data}: as large as fits, data in base64",
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
            "{retried: count, held}; a photo that can be read now leaves the errors, any other counts one more "
            "attempt, held says why they have to wait, null if they need not",
            (Param("path", "string", "only this photo, or those below this folder", low=1, high=4096, path=True),),
        ),
        Method(
            "library.verify",
            "Compare the index with the files, and embed a random sample again; may take minutes.",
            "{ok, rows, checked, sampled, not_checked, held, lowest_cosine, mismatched, "
            "mismatches: [{path, kind, detail}], took_ms}; mismatches holds the first of them, mismatched counts all; "
            "held says why photos were not embedded again, if that was a pause",
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
            "{groups: [{kind, photos: [{path, size, width, height, format, taken_at, copy}], more}], total}; kind is "
            "exact where all have the same bytes, else near; the photo with the most pixels comes first; copy says "
            "that one before it in the group has the same bytes; an answer holds as many groups as one line can, more "
            "counts the photos of a group that is too large for that",
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
            "{albums: [{name, query, limit, min_band, folder, photos, problem}]}; folder holds links to the photos, "
            "null without one, photos counts them, problem says why it is not up to date (null if it is)",
        ),
        Method(
            "albums.save",
            "Keep a query under a name, instead of one that has it.",
            "{album}: as albums.list has it",
            (
                Param("name", "string", "what it is called", required=True, low=1, high=100),
                Param("query", "string", "the query, as search takes it", required=True, low=1, high=MAX_QUERY),
                Param("limit", "integer", "how many photos at most", default=1000, low=1, high=1000),
                Param("min_band", "string", "leave out photos of a lower band", choices=("strong", "likely", "weak")),
                Param("folder", "boolean", "keep a folder of symbolic links to its photos, too", default=False),
            ),
        ),
        Method(
            "albums.remove",
            "Forget a kept query and its links; no photo is touched.",
            "{removed}: its name",
            (Param("name", "string", "what it is called", required=True, low=1, high=100),),
        ),
        Method(
            "config.reload",
            "Read the settings again: all of them are taken, or none where there is a mistake.",
            "{added: [{path, photos}], removed: [{path, photos, since, forgotten_at}], changed, restart_needed, "
            "overruled: [{key, option}]}; photos of an added root that are known already, those of a removed one are "
            "shown no longer and forgotten at forgotten_at (null: kept); changed and restart_needed are dotted keys, "
            "overruled those for which an option of the command line wins",
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
        ),
        Method(
            "library.pause",
            "Stop reading and embedding photos after the batch in hand; changes are still taken note of.",
            "{pace, kept}: pace as in status; kept says whether the pause outlives a restart of the daemon",
            (
                Param(
                    "seconds", "number", "for how long; until library.resume if it is left out", low=1, high=MAX_PAUSE
                ),
            ),
        ),
        Method(
            "library.resume",
            "End the pause.",
            "{pace, kept}: as of library.pause; the battery or pressure may still hold indexing back",
            (
                Param(
                    "force",
                    "boolean",
                    "go on at full pace whatever the battery and pressure are, for as long as they are so",
                    default=False,
                ),
            ),
        ),
        Method(
            "events.subscribe",
            "Turn this connection into a stream of `event` notifications.",
            "{subscribed: true}; then notifications {type, path, ...} until the connection closes; types: indexed, "
            "reused, moved, removed, failed, root, pace, dropped",
        ),
        Method("rpc.discover", "Describe all methods.", "an OpenRPC document"),
    )
}


def discover(version: str) -> dict[str, Any]:
    """Return the OpenRPC document of the table."""
    return {
        "openrpc": "1.3.2",
        "info": {"title": "phsearch", "version": version, "x-protocol": PROTOCOL},
        "methods": [method.describe() for method in METHODS.values()],
    }
