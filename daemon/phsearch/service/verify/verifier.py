"""The three checks, one after the other."""

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
    """Compares the store, the memory, the files and the model with each other."""

    def __init__(
        self,
        *,
        library: Library,
        model: ModelState,
        row_check: RowCheck,
        file_check: FileCheck,
        sample_check: SampleCheck,
    ) -> None:
        self._library = library
        self._model = model
        self._row_check = row_check
        self._file_check = file_check
        self._sample_check = sample_check

    async def verify(self, sample: int) -> Report:
        """Verify all rows and files, and embed `sample` photos again, or all if there are fewer.

        Raises StoreError when the store cannot be written or read, and the problem of the model if it has one.
        """
        self._model.check_ready()
        report = Report()
        await self._row_check.check(report)
        await self._file_check.wait_for_scans()
        photos = self._library.photos()
        online = [photo for photo in photos if not self._file_check.offline(photo.path)]
        report.not_checked += len(photos) - len(online)
        unchanged = await self._file_check.check(online, report)
        chosen = random.sample(unchanged, min(sample, len(unchanged)))
        await self._sample_check.check(chosen, report, self._file_check.excuses)
        return report
