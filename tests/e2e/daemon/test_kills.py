"""The short form of the torture: kill -9 at random moments, then every photo is in the index once and right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture.run_kills import KillRun, Plan

if TYPE_CHECKING:
    from pathlib import Path


def test_kill_minus_nine_at_random_moments_loses_nothing_doubles_nothing_and_mixes_nothing_up(tmp_path: Path) -> None:
    report = KillRun(tmp_path, Plan(seed=3, kills=12, photos=60, model="colour")).run(lambda _: None)
    if report.faults:
        pytest.fail("\n".join([report.line(), *report.faults]))
    assert len(report.kills) == 12
    assert report.verdict.photos > 50
    assert report.embedded > 50
