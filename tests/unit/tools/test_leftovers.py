"""What a test has left behind is found and killed, and nothing else."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

from support.leftovers import kill_leftovers
from support.time_limits import scaled

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_that_is_at_home_in_a_folder_is_named_and_killed_and_no_other(tmp_path: Path) -> None:
    with (
        subprocess.Popen(["sleep", "600"], env={"XDG_STATE_HOME": f"{tmp_path}/one/state"}) as left,
        subprocess.Popen(["sleep", "500"], env={"XDG_STATE_HOME": f"{tmp_path}/other/state"}) as other,
    ):
        assert kill_leftovers(tmp_path / "one") == [f"{left.pid}: sleep 600"]
        assert left.wait(scaled(5)) == -signal.SIGKILL
        assert kill_leftovers(tmp_path / "one") == []
        assert other.poll() is None
        other.kill()


def test_what_this_process_starts_is_marked_and_found_wherever_it_is_at_home(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as left:
        assert kill_leftovers(tmp_path, marked=True) == [f"{left.pid}: sleep 600"]
        assert left.wait(scaled(5)) == -signal.SIGKILL
