"""`make try` does what the README says: every question finds its photo, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage

from support.time_limits import scaled

TRY = Path(__file__).parents[2] / "demo" / "try.py"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    # Not pytest's own directory: its names are longer than a socket's path may be.
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "TMPDIR": scratch}
        done = subprocess.run(
            [sys.executable, TRY, *words], env=env, capture_output=True, text=True, timeout=scaled(150), check=False
        )
        assert os.listdir(scratch) == [], "no file is left behind"
        return done


def test_every_question_finds_its_photograph() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  indexed  ") == 16
    assert '$ phsearch-client "a cat"' in done.stdout


def test_the_users_folder_is_searched_and_left_as_it_was(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "x.png").write_bytes((Path(skimage.__file__).parent / "data" / "chelsea.png").read_bytes())
    before = {path: path.stat() for path in (own, *own.iterdir())}
    done = run("--photos", str(own), "--query", "a cat")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "x.png" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (own, *own.iterdir())} == {
        path: status.st_mtime_ns for path, status in before.items()
    }


def test_a_missing_folder_is_an_error() -> None:
    done = run("--photos", "/nowhere")
    assert done.returncode == 2
    assert "/nowhere is not a folder" in done.stderr
