"""--open hands the best hits to the desktop's viewer, or says why it cannot."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from support.harness import Daemon, photo, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("viewer")
    photo(home / "photos" / "a red one.png", "red")
    photo(home / "photos" / "yellow.png", "yellow")
    with running(home, settings="[watch]\nsettle_seconds = 0.2\n") as daemon:
        daemon.becomes(photos=2, pending=0, scanning=False)
        yield daemon


@pytest.fixture
def viewer(daemon: Daemon, tmp_path: Path) -> Iterator[Path]:
    """Stands for xdg-open: writes down what it is to open."""
    script = tmp_path / "xdg-open"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>{tmp_path}/opened\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    before = daemon.env
    daemon.env = before | {"PATH": f"{tmp_path}:{before['PATH']}", "DISPLAY": ":9"}
    yield tmp_path / "opened"
    daemon.env = before


def test_the_best_is_opened_and_all_are_printed(daemon: Daemon, viewer: Path) -> None:
    assert daemon.cli("red", "--open").stdout.count("\n") == 2
    wait_until(viewer.exists, "it is opened")
    assert viewer.read_text() == f"{daemon.photos}/a red one.png\n"


def test_what_is_printed_is_the_same_with_a_viewer(daemon: Daemon, viewer: Path) -> None:
    plain = daemon.cli("--softmax", "--all", "red").stdout
    assert plain != daemon.cli("--all", "red").stdout
    assert daemon.cli("--open", "--softmax", "--all", "red").stdout == plain
    wait_until(viewer.exists, "it is opened")


def test_as_many_are_opened_as_asked_for(daemon: Daemon, viewer: Path) -> None:
    daemon.cli("--open=2", "red")
    wait_until(lambda: viewer.exists() and viewer.read_text().count("\n") == 2, "both are opened")


@pytest.mark.parametrize("opener", ["xdg-open", "gio", "open"])
def test_without_a_desktop_it_prints_all_the_same_and_fails_with_a_sentence(
    daemon: Daemon, viewer: Path, opener: str
) -> None:
    (viewer.parent / "xdg-open").rename(viewer.parent / opener)
    daemon.env["DISPLAY"] = ""
    done = daemon.cli("--open=2", "red", check=False)
    assert (done.returncode, done.stdout.count("\n")) == (1, 2)
    assert done.stderr == (
        "phsearch-client: there is no desktop to open a photo on (neither DISPLAY nor WAYLAND_DISPLAY is set): "
        "leave --open out, or ask in a terminal of the desktop\n"
    )
    assert not viewer.exists()


def test_where_nothing_is_found_nothing_has_to_be_opened(daemon: Daemon, viewer: Path) -> None:
    daemon.env["DISPLAY"] = ""
    done = daemon.cli("--open", "red", "date:1999")
    assert (done.returncode, done.stdout) == (0, "")
    assert not viewer.exists()


def test_without_a_viewer_it_says_what_to_install(daemon: Daemon, tmp_path: Path) -> None:
    before, daemon.env = daemon.env, daemon.env | {"PATH": str(tmp_path), "WAYLAND_DISPLAY": "wayland-0"}
    try:
        done = daemon.cli("--open", "red", check=False)
        assert "install xdg-utils" in done.stderr
        assert done.returncode == 1
    finally:
        daemon.env = before
    assert os.path.isdir(tmp_path)
