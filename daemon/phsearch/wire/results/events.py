"""Events, as they happen."""

from typing import Annotated

from phsearch.wire.record import Record


class Subscription(Record):
    """Notifications of the method `event` follow until the connection closes; their parameters are an `Event`."""

    subscribed: bool


class Event(Record):
    """Something that happened to a photo, a watched folder or the pace.

    Types: indexed, reused, moved, removed, failed, root, pace, dropped.
    """

    type: str
    path: Annotated[str | None, 'the photo or the folder; "" for an event of the pace'] = None
    source: Annotated[str | None, "where a photo was moved from"] = None
    reason: Annotated[str | None, "why a photo failed, or a folder is offline"] = None
    state: Annotated[str | None, "of a folder (online, offline, added, removed) or of the pace"] = None
    text: Annotated[str | None, "the pace in words"] = None
    count: Annotated[int | None, "how many events were dropped, because they were not read in time"] = None
