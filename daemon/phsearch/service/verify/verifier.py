"""The three questions, one after the other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from phsearch.domain.verification import Report

if TYPE_CHECKING:
    from phsearch.domain.library import Library
    from phsearch.service.verify.file_check import FileCheck
    from phsearch.service.verify.row_check import RowCheck
    from phsearch.service.verify.sample_check import SampleCheck
    from phsearch.service.workers.model_state import ModelState


class Verifier:
    """Asks every part that knows something of a photo."""

    def __init__(
        self, library: Library, model: ModelState, rows: RowCheck, files: FileCheck, sample: SampleCheck
    ) -> None:
        self._library = library
        self._model = model
        self._rows = rows
        self._files = files
        self._sample = sample

    async def verify(self, sample: int) -> Report:
        """Verify all rows and files, and embed `sample` photos again (all if there are no more).

        Raises StoreError when the store cannot be written or read, and what is wrong with the model.
        """
        self._model.check_ready()
        findings = Report()
        await self._rows.check(findings)
        await self._files.scanned()
        photos = self._library.photos()
        there = [photo for photo in photos if not self._files.offline(photo.path)]
        findings.not_checked += len(photos) - len(there)
        sound = await self._files.check(there, findings)
        chosen = random.sample(sound, min(sample, len(sound)))
        await self._sample.check(chosen, findings, self._files.offline)
        return findings
