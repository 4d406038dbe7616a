"""`make try` does what the README says: every question finds its photo, and nothing is left behind."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage

from support.time_limits import scaled

TRY = Path(__file__).parents[2] / "demo" / "try.py"


def run(*words: str, **others: str) -> subprocess.CompletedProcess[str]:
    # Not pytest's own directory: its names are longer than a socket's path may be.
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "TMPDIR": scratch, **others}
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


def test_an_index_that_is_kept_is_there_the_next_time(tmp_path: Path) -> None:
    own, cache = tmp_path / "own", Path(tempfile.mkdtemp())
    own.mkdir()
    (own / "x.png").write_bytes((Path(skimage.__file__).parent / "data" / "chelsea.png").read_bytes())
    try:
        for _ in range(2):
            done = run("--photos", str(own), "--query", "a cat", "--keep", XDG_CACHE_HOME=str(cache))
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"The index is kept in {cache}/phsearch-try" in done.stdout
        log = (cache / "phsearch-try" / "log").read_text()
        assert "1 photos indexed, listening" in log
    finally:
        shutil.rmtree(cache)


def test_in_a_terminal_it_takes_queries_until_an_empty_line(tmp_path: Path) -> None:
    own, scratch = tmp_path / "own", tempfile.mkdtemp()
    own.mkdir()
    (own / "x.png").write_bytes((Path(skimage.__file__).parent / "data" / "chelsea.png").read_bytes())
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"a cat on a sofa\n\n")
        command = [sys.executable, str(TRY), "--photos", str(own), "--query", "a dog"]
        env = {**os.environ, "TMPDIR": scratch}
        done = subprocess.run(
            command, env=env, stdin=theirs, capture_output=True, text=True, timeout=scaled(150), check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
        shutil.rmtree(scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '$ phsearch-client "a cat on a sofa"' in done.stdout
    assert done.stdout.rstrip().endswith("Nothing was left behind.")
