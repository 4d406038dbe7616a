"""Killed at any moment, the index opens again with everything in it that was acknowledged, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.time_limits import scaled

TESTS = Path(__file__).parents[2]


def test_a_writer_killed_at_random_loses_nothing_and_leaves_nothing_twice(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "support.store.killed_writer", str(tmp_path), "20"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert "0 lost, 0 wrong, 0 twice" in child.stdout
