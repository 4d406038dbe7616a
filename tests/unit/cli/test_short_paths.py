"""Paths in a table are short, safe for a terminal, and name their file when they are pasted into a shell."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from phsearch.cli.render.paths import shell_word, short_path, shorten

if TYPE_CHECKING:
    from pathlib import Path

HERE, HOME = "/home/me/Pictures/2023", "/home/me"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/me/Pictures/2023/a.jpg", "a.jpg"),
        ("/home/me/Pictures/2023/Süd/a.jpg", "Süd/a.jpg"),
        ("/home/me/Pictures/2023/-n.jpg", "./-n.jpg"),
        ("/home/me/Pictures/2024/a.jpg", "~/Pictures/2024/a.jpg"),
        ("/home/me/My Photos/a.jpg", "~/'My Photos/a.jpg'"),
        ("/home/meier/a.jpg", "/home/meier/a.jpg"),
        ("/mnt/usb/it's a.jpg", "'/mnt/usb/it'\\''s a.jpg'"),
        ("/mnt/usb/~a.jpg", "'/mnt/usb/~a.jpg'"),
        ("/mnt/a\x1b[2J\nb.jpg", r"$'/mnt/a\x1b[2J\x0ab.jpg'"),
        ("/mnt/\udcff'\\.jpg", r"$'/mnt/\xff\'\\.jpg'"),
        (HERE, "~/Pictures/2023"),
        (HOME, "/home/me"),
    ],
)
def test_a_path_is_relative_to_the_current_folder_or_the_home_folder(path: str, shown: str) -> None:
    assert shorten(path, HERE, HOME) == shown


def test_in_the_root_folder_and_without_a_home_a_path_stays_absolute() -> None:
    assert shorten("/home/me/a.jpg", "/", "") == "/home/me/a.jpg"


def test_a_current_folder_that_was_removed_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert short_path("/p/a.jpg") == "/p/a.jpg"


@pytest.mark.parametrize(
    "name", ["a.jpg", "a b.jpg", "it's.jpg", "$HOME.jpg", "*.jpg", "a\nb\x1b.jpg", "\udcff\udcfe1.jpg", "~.jpg", "=x"]
)
def test_a_shell_takes_it_as_the_name_of_the_file(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    for folder in (home / "ho me", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
        path = os.path.join(folder, name)
        for shown in (shorten(path, "/", str(home)), shorten(path, str(folder), "")):
            done = subprocess.run(
                [b"bash", b"-c", b"printf %s " + shown.encode()],
                cwd=folder,
                env={"HOME": str(home), "LANG": "C.UTF-8"},
                capture_output=True,
                check=True,
            )
            assert os.path.join(os.fsencode(folder), done.stdout) in {
                os.fsencode(path),
                os.fsencode(f"{folder}/./{name}"),
            }


def test_letters_of_every_script_need_no_quotes() -> None:
    assert shell_word("/fotos/富士山/été.jpg") == "/fotos/富士山/été.jpg"
