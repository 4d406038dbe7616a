"""The query worker: embeds the texts of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phsearch.service.workers.frames import vectors_to_bytes
from phsearch.worker.report import enter_sandbox_and_report

if TYPE_CHECKING:
    from phsearch.domain.ports import TextTower
    from phsearch.service.workers.frames import WorkerChannel


def serve(channel: WorkerChannel, tower: TextTower) -> None:
    """Embed the texts of each frame, until the daemon is gone."""
    enter_sandbox_and_report(channel, tower)
    while (frame := channel.receive_message()) is not None:
        channel.send_message({"op": "embedded"}, vectors_to_bytes(tower.embed(frame[0]["texts"])))
