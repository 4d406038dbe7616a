"""The short form of the torture: the model is changed, in any order, with restarts, kills and changes of the roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture.switches import SwitchRun

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", [5, 8])
def test_whatever_happens_every_query_is_answered_by_one_model_and_the_index_is_right(
    tmp_path: Path, seed: int
) -> None:
    report = SwitchRun(tmp_path, seed=seed, steps=20, photos=10).run()
    if report.faults:
        pytest.fail("\n".join([report.line(), *report.faults]))
    assert report.changes
    assert report.asked > 50
