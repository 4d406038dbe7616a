"""How far a download is, in the words of the log, of systemd and of a query that must wait."""

from __future__ import annotations

from typing import Any

import pytest

from phsearch.errors import NotReadyError
from phsearch.service.workers.model_download import DownloadProgress
from phsearch.service.workers.model_state import ModelState

UNUSED: Any = None


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_is_that_of_what_was_received_since_the_download_went_on() -> None:
    clock = Clock()
    progress = DownloadProgress(clock)
    progress.update(400_000_000, 600_000_000)
    assert str(progress) == "downloading the model: 400 of 600 MB"
    clock.now = 10.0
    progress.update(450_000_000, 600_000_000)
    assert str(progress) == "downloading the model: 450 of 600 MB, 0:00:30 left"
    progress.finish()
    assert (str(progress), progress.report()) == ("", None)


def test_a_query_that_comes_meanwhile_is_told_how_far_it_is() -> None:
    progress = DownloadProgress()
    model = ModelState(name="ViT-B-32", pretrained="x", tables=UNUSED, executor=UNUSED, download=progress)
    with pytest.raises(NotReadyError, match='the model "ViT-B-32" is still loading'):
        model.check_ready()
    progress.update(1_000_000, 600_000_000)
    with pytest.raises(NotReadyError, match="downloading the model: 1 of 600 MB"):
        model.check_ready()


def test_the_log_says_ten_times_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    progress = DownloadProgress()
    with caplog.at_level("INFO"):
        for done in range(1001):
            progress.update(done * 1_000_000, 1_000_000_000)
    assert len(caplog.records) == 11
