"""The library by its other names: ~/Pictures is a link to another disk, as it often is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo, run_client, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("home")
    (home / "disk" / "Pictures").mkdir(parents=True)
    (home / "photos").symlink_to(home / "disk" / "Pictures")
    photo(home / "photos" / "trip" / "a.jpg", "red")
    photo(home / "photos" / "b.jpg", "red")
    daemon = Daemon(home).start()
    try:
        daemon.becomes(photos=2, pending=0)
        wait_until(lambda: found(daemon, daemon.photos, f"in:{home}/disk/Pictures"), "its other names are known")
        yield daemon
    finally:
        daemon.stop()


def run(daemon: Daemon, folder: Path, *words: str, pwd: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the client in a folder, as a shell does that says how it got there, or as any other program."""
    env = {**daemon.env, "PWD": str(folder)} if pwd else daemon.env
    return run_client(env, *words, cwd=folder)


def found(daemon: Daemon, folder: Path, *words: str, pwd: bool = True) -> list[str]:
    done = run(daemon, folder, "-0", "--all", "--expand", *words, pwd=pwd)
    return sorted(os.path.relpath(path, daemon.photos) for path in done.stdout.split("\0") if path)


@pytest.mark.parametrize("pwd", [True, False], ids=["shell", "program"])
def test_every_command_takes_relative_paths_from_inside_the_library(daemon: Daemon, *, pwd: bool) -> None:
    trip = daemon.photos / "trip"
    for words in (("why", "a.jpg"), ("why", "../b.jpg"), ("rescan", "."), ("dupes", "."), ("errors", "--retry", ".")):
        done = run(daemon, trip, *words, pwd=pwd)
        assert done.returncode == 0, (words, done.stderr)
    assert run(daemon, trip, "why", "a.jpg", pwd=pwd).stdout.startswith(f"{trip}/a.jpg: it is indexed")
    shown = run(daemon, trip, "show", "--thumbnails", "kitty", "--size", "20x10", "a.jpg", pwd=pwd)
    assert shown.returncode == 0, shown.stderr
    assert found(daemon, trip, "--under", ".", "red", pwd=pwd) == ["trip/a.jpg"]
    assert found(daemon, trip, "in:.", "red", pwd=pwd) == ["trip/a.jpg"]
    assert found(daemon, trip, "in:..", "red", pwd=pwd) == ["b.jpg", "trip/a.jpg"]
    assert len(found(daemon, trip, "like:a.jpg", pwd=pwd)) == 2


def test_the_real_name_and_a_url_mean_the_same_photos(daemon: Daemon) -> None:
    real = daemon.home / "disk" / "Pictures"
    assert found(daemon, daemon.home, f"in:{real}/trip", "red") == ["trip/a.jpg"]
    assert found(daemon, daemon.home, f"--under={real}/trip", "red") == ["trip/a.jpg"]
    assert found(daemon, daemon.home, f"--under=file://{real}/trip", "red") == ["trip/a.jpg"]
    assert found(daemon, daemon.home, f"root:{real}", "red") == ["b.jpg", "trip/a.jpg"]
    assert found(daemon, daemon.home, "in:~/photos/trip", "red") == ["trip/a.jpg"]
    assert len(found(daemon, daemon.home, f"like:{real}/b.jpg")) == 2
    for path in (f"{real}/b.jpg", f"file://{real}/b.jpg", "~/photos/b.jpg", f"file://{daemon.photos}/b.jpg"):
        done = run(daemon, daemon.home, "why", path)
        assert (done.returncode, done.stdout.startswith(f"{daemon.photos}/b.jpg: ")) == (0, True), (path, done.stdout)
    assert run(daemon, daemon.home, "rescan", str(real)).stdout == f"{daemon.photos}\n"


def test_a_folder_outside_the_library_stays_outside(daemon: Daemon) -> None:
    assert run(daemon, daemon.home, "dupes", ".").returncode == 0, "it holds the library"
    done = run(daemon, daemon.home, "rescan", "/usr")
    assert (done.returncode, "lies in no watched folder" in done.stderr) == (1, True)
