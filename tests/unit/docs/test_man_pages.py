"""The man pages render cleanly, and say what the programs say."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from docs import generate, man_pages
from phsearch.cli.names import COMMANDS
from phsearch.installer import units
from phsearch.installer.install import MAN_PAGES

if TYPE_CHECKING:
    from pathlib import Path

FILES = [generate.MAN / page for page in MAN_PAGES]

each_page = pytest.mark.parametrize("page", FILES, ids=lambda page: page.name)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program} on this machine")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    env = {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_every_page_that_is_made_is_installed() -> None:
    assert {file.name for file in FILES} == set(generate.PAGES)
    assert {file for file in generate.MAN.rglob("*") if file.is_file()} == set(FILES)


@each_page
def test_a_page_is_known_as_ours(page: Path) -> None:
    assert units.is_ours(page.read_text(encoding="utf-8"))


@needs("groff")
@each_page
def test_groff_renders_a_page_without_a_warning(page: Path) -> None:
    done = run("groff", "-man", "-Tutf8", "-ww", page)
    assert (done.returncode, done.stderr) == (0, "")


@needs("mandoc")
@each_page
def test_mandoc_finds_no_error_in_a_page(page: Path) -> None:
    done = run("mandoc", "-Tlint", "-Wwarning", page)
    assert "ERROR" not in done.stdout


@needs("man")
def test_man_shows_the_options_and_commands() -> None:
    shown = re.sub(".\b", "", run("man", "-l", generate.MAN / "man1" / "phsearch-client.1").stdout)
    for section in ("NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "EXIT STATUS", "SEE ALSO"):
        assert f"\n{section}\n" in f"\n{shown}"
    assert "-n, --limit N" in shown
    assert [name for name in COMMANDS if not re.search(rf"^ +{name}\b", shown, re.MULTILINE)] == []


def test_the_pages_of_the_daemon_have_its_commands() -> None:
    text = (generate.MAN / "man1" / "phsearchd.1").read_text(encoding="utf-8")
    assert all(word in text for word in ("install", "uninstall", r"\-\-rebuild", r"\-\-purge"))
    assert {"--config", "--root", "--rebuild"} <= man_pages.daemon_options("")
    assert man_pages.daemon_options("uninstall") == {"--purge", "--yes"}
