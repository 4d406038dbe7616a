"""A short-lived worker: downloads the files of a model, or checks those that are there. No other uses the network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from phsearch.adapters import clip, hub
from phsearch.model_files import foreign_text_model, local_folder

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.service.workers.command import WorkerSetup
    from phsearch.service.workers.frames import WorkerChannel

_REPORT_SECONDS = 0.5


def download_model(channel: WorkerChannel, setup: WorkerSetup) -> None:
    """Fetch what is missing or damaged, and answer "downloaded" with the files. Raises ModelUnavailableError."""
    folder = local_folder(setup.name)
    repository, files = "" if folder is None else foreign_text_model(folder), list[str]()
    if folder is None and (place := clip.hub_weights(setup.name, setup.pretrained)) is not None:
        repository = place[0]
        files.append(str(_fetch_weights(channel, setup, *place)))
    if repository:
        try:
            clip.cache_text_files(setup.name)
        except Exception as error:
            raise hub.explain(error, repository) from error
    channel.send_message({"op": "downloaded", "files": files})


def _fetch_weights(channel: WorkerChannel, setup: WorkerSetup, repository: str, name: str) -> Path:
    said = 0.0

    def report(done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() >= said + _REPORT_SECONDS:
            said = time.monotonic()
            channel.send_message({"op": "progress", "done": done, "total": total})

    try:
        return hub.fetch_file(repository, name, report)
    except Exception as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise clip.pickle_only(setup.name, setup.pretrained) from error
        raise hub.explain(error, repository) from error
