"""The colour worker, which a photo takes over whose name contains "lies": it then says what the name says.

"lies-nan.png" makes it send a vector that is no number, and so on, see `LIES`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from array import array

from phsearch.service.workers.frames import WorkerChannel
from support.workers import colour

if TYPE_CHECKING:
    from collections.abc import Callable

    Lie = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]


def _with_info(place: int, value: Any) -> Lie:
    def lie(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        (photo,) = header["photos"]
        info = list(photo["info"])
        info[place] = value
        return {**header, "photos": [{**photo, "info": info}]}, payload

    return lie


LIES: dict[str, Lie] = {
    "no-op": lambda _header, payload: ({}, payload),
    "unknown-op": lambda header, payload: ({**header, "op": "obey"}, payload),
    "no-info": lambda header, payload: ({**header, "photos": [{"path": header["photos"][0]["path"]}]}, payload),
    "no-vector": lambda header, _payload: (header, b""),
    "short-bytes": lambda header, payload: (header, payload[:-3]),
    "other-dim": lambda header, payload: (header, payload * 2),
    "nan": lambda header, _payload: (header, array("f", [float("nan")] * 4).tobytes()),
    "huge": lambda header, _payload: (header, array("f", [1e30] * 4).tobytes()),
    "width": _with_info(0, 10**30),
    "camera": _with_info(4, "a\x1b[31mb"),
    "surrogate": _with_info(4, "\ud800"),
    "reason": lambda header, _payload: (
        {"op": "failed", "path": header["photos"][0]["path"], "reason": 7, "scope": "content"},
        b"",
    ),
}


class LyingChannel(WorkerChannel):
    """Sends what it is given, unless a photo has taken the worker over."""

    def send_message(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send one frame, true or not."""
        if header.get("op") == "embedded" and "photos" in header:
            name = Path(header["photos"][0]["path"]).stem
            if name.startswith("lies-"):
                header, payload = LIES[name.removeprefix("lies-")](header, payload)
        super().send_message(header, payload)


if __name__ == "__main__":
    vars(colour)["WorkerChannel"] = LyingChannel
    colour.main()
