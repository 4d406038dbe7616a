"""The download of a model from the hub: done by a worker of its own before any other loads the model, and once.

What it brought is noted with size and time of each file. A worker that cannot load the model has them checked again,
and what is damaged is then fetched anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.atomic_write import atomic_write
from phsearch.errors import ModelUnavailableError
from phsearch.model_files import BUNDLED, foreign_text_model, input_states, local_folder
from phsearch.wire.results.daemon import DownloadStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from phsearch.config import ModelConfig
    from phsearch.service.workers.frames import Header

log = logging.getLogger("phsearch.model")

_STEPS = 10
"""The log says so often how far a download is."""


class DownloadProgress:
    """How far the download of the model is, in bytes. `total` is 0 where none is under way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = (0.0, 0)
        self.done = self.total = 0

    def update(self, done: int, total: int) -> None:
        """Note that `done` of `total` bytes are there."""
        if total != self.total:
            self._begun = (self._clock(), done)
            log.info("downloading the model: %s", _megabytes(done, total))
        elif done * _STEPS // total > self.done * _STEPS // total:
            log.info("%s", self._text(done, total))
        self.done, self.total = done, total

    def finish(self) -> None:
        """Note that no download is under way."""
        self.done = self.total = 0

    def report(self) -> DownloadStatus | None:
        """Return the download's part of `status`, None where none is under way."""
        if not self.total:
            return None
        return DownloadStatus(done=self.done, total=self.total, eta=self._eta(self.done, self.total))

    def __str__(self) -> str:
        """Return the state as a clause, "" where none is under way."""
        return self._text(self.done, self.total) if self.total else ""

    def _text(self, done: int, total: int) -> str:
        eta = self._eta(done, total)
        left = f", {timedelta(seconds=eta)} left" if eta is not None else ""
        return f"downloading the model: {_megabytes(done, total)}{left}"

    def _eta(self, done: int, total: int) -> int | None:
        begun, had = self._begun
        rate = (done - had) / max(self._clock() - begun, 1e-9)
        return round((total - done) / rate) if rate > 0 else None


class ModelDownload:
    """Sees to it that the files of a model of the hub are there. `run_worker` runs the download, and gets `progress`.

    `marker` is the file that notes what is there.
    """

    def __init__(
        self,
        *,
        config: ModelConfig,
        marker: Path,
        run_worker: Callable[[Callable[[Header], None]], Awaitable[Header]],
        progress: DownloadProgress,
    ) -> None:
        self._config = config
        self._marker = marker
        self._run_worker = run_worker
        self._progress = progress
        self._rechecked = False

    async def ensure_files(self) -> None:
        """Download what is missing. Raises ModelUnavailableError with the reason; WorkerDiedError, StalledError."""
        if not await asyncio.to_thread(self._is_missing):
            return
        try:
            answer = await self._run_worker(self._note_progress)
        finally:
            self._progress.finish()
        match answer:
            case {"files": list(files)} if all(isinstance(file, str) for file in files):
                await asyncio.to_thread(self._write_marker, files)
            case _:
                raise ModelUnavailableError("the worker that downloads the model said nothing of its files")

    async def recheck_files(self) -> bool:
        """Have the files checked again before they are used again; return whether that is worth a try."""
        if self._rechecked or not await asyncio.to_thread(self._marker.exists):
            return False
        self._rechecked = True
        await asyncio.to_thread(self._marker.unlink, missing_ok=True)
        return True

    def _note_progress(self, header: Header) -> None:
        match header:
            case {"done": int(done), "total": int(total)} if 0 <= done <= total and total:
                self._progress.update(done, total)

    def _is_missing(self) -> bool:
        name, pretrained = self._config.name, self._config.pretrained
        folder = local_folder(name)
        needs_nothing = not foreign_text_model(folder) if folder is not None else Path(pretrained).is_file()
        if name in BUNDLED or needs_nothing:
            return False
        try:
            known = json.loads(self._marker.read_bytes())["files"]
            return bool(input_states(known) != known)
        except (OSError, ValueError, TypeError, KeyError):
            return True

    def _write_marker(self, files: Sequence[str]) -> None:
        self._marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(self._marker, json.dumps({"files": input_states(files)}, indent=1).encode() + b"\n")


def _megabytes(done: int, total: int) -> str:
    return f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
