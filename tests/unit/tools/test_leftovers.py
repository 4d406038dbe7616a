"""What a test has left behind is found and killed, and nothing else."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from typing import TYPE_CHECKING

from support.leftovers import kill_leftovers
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def echo(env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `cat` until it has answered: before, a process may have no environment yet."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        try:
            assert process.stdin
            assert process.stdout
            process.stdin.write(b"there\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"there\n"
            yield process
        finally:
            process.kill()


def test_a_process_that_is_at_home_in_a_folder_is_named_and_killed_and_no_other(tmp_path: Path) -> None:
    with (
        echo({"XDG_STATE_HOME": f"{tmp_path}/one/state"}) as left,
        echo({"XDG_STATE_HOME": f"{tmp_path}/other/state"}) as other,
    ):
        assert kill_leftovers(tmp_path / "one") == [f"{left.pid}: cat"]
        assert left.wait(scaled(5)) == -signal.SIGKILL
        assert kill_leftovers(tmp_path / "one") == []
        assert other.poll() is None


def test_what_this_process_starts_is_marked_and_found_wherever_it_is_at_home(tmp_path: Path) -> None:
    with echo() as left:
        assert kill_leftovers(tmp_path, marked=True) == [f"{left.pid}: cat"]
        assert left.wait(scaled(5)) == -signal.SIGKILL
