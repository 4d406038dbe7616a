"""A full and a read-only disk: real file systems, mounted where only one child process sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.machine.namespaces import MOUNTING, why_no_mounts
from support.time_limits import scaled

TESTS = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(bool(why_no_mounts()), reason=why_no_mounts())


def run(scenario: str, tmp_path: Path) -> None:
    child = subprocess.run(
        [*MOUNTING, sys.executable, "-m", "support.store.disk_faults", scenario, str(tmp_path)],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=scaled(90),
        check=False,
    )
    assert child.returncode == 0, child.stderr


def test_on_a_full_disk_nothing_is_lost_and_no_orphans_pile_up(tmp_path: Path) -> None:
    run("full", tmp_path)


def test_wherever_in_a_write_the_disk_fills_up_the_same_batch_goes_in_later(tmp_path: Path) -> None:
    run("edges", tmp_path)


def test_a_read_only_disk_is_still_read_and_a_write_says_why_not(tmp_path: Path) -> None:
    run("readonly", tmp_path)


def test_on_a_read_only_disk_a_table_is_read_under_the_name_of_an_older_phsearch_and_renamed_later(
    tmp_path: Path,
) -> None:
    run("former_name", tmp_path)
