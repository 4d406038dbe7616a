"""The manual as a person or a script reads it: in a pager on a terminal, plain in a pipe."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from phsearch.cli.commands.help import find_topics
from support.harness import PHSEARCH_CLIENT
from support.terminals import Ran, run_on_terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a person whose pager writes down what it was given."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\ntee "$PAGED"\n')
    pager.chmod(0o755)
    shown = {"PAGER": str(pager), "PAGED": str(tmp_path / "paged"), "TERM": "xterm"}
    return {**os.environ, **shown, "XDG_RUNTIME_DIR": str(tmp_path)}


def run(env: dict[str, str], *args: str) -> Ran:
    done = subprocess.run([*PHSEARCH_CLIENT, "help", *args], env=env, capture_output=True, check=False)
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def test_help_alone_lists_the_topics_with_one_line_each(env: dict[str, str]) -> None:
    ran = run(env)
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.out.splitlines()] == list(find_topics())
    assert "\nsettings         Every key of config.toml, and how a change takes effect.\n" in ran.out
    on_terminal = run_on_terminal(env, "help", columns=80)
    assert all(len(line) <= 80 for line in on_terminal.out.splitlines())
    assert "to read one: phsearch-client help " in on_terminal.out


def test_a_topic_is_shown_in_a_pager_on_a_terminal(env: dict[str, str]) -> None:
    ran = run_on_terminal(env, "help", "exit-codes", columns=80)
    assert ran.status == 0
    assert ran.out.startswith("Exit codes\n\nHow phsearch-client and phsearchd end.\n")
    with open(env["PAGED"], encoding="utf-8") as file:
        assert file.read() == ran.out


def test_a_pager_that_is_left_early_or_missing_is_no_error(env: dict[str, str]) -> None:
    ran = run_on_terminal(env | {"PAGER": "head -1"}, "help", "protocol")
    assert (ran.status, ran.out) == (0, "The protocol\n")
    ran = run_on_terminal(env | {"PAGER": "/nowhere/pager"}, "help", "exit-codes")
    assert (ran.status, ran.out.splitlines()[0]) == (0, "Exit codes")


def test_a_topic_is_plain_markdown_in_a_pipe(env: dict[str, str]) -> None:
    ran = run(env, "settings")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("# Settings\n")
    assert "- `watch.hidden` = `false`." in ran.out
    assert "\x1b" not in ran.out
    assert "<!--" not in ran.out
    assert not os.path.exists(env["PAGED"]), "no pager"


def test_the_name_of_a_command_shows_its_help(env: dict[str, str]) -> None:
    ran = run(env, "pause")
    assert ran.status == 0
    assert ran.out.startswith("Usage: phsearch-client pause [OPTIONS] [DURATION]...\n")


@pytest.mark.parametrize(
    ("args", "remedy"),
    [
        (["setings"], "There is no topic setings. Did you mean settings?"),
        (["statsu"], "Did you mean status?"),
        (["xyzzy"], "`phsearch-client help` lists the topics."),
        (["me", "please"], "help takes one topic. To search for these words: phsearch-client search help me please"),
    ],
)
def test_a_wrong_topic_is_answered_with_the_nearest(env: dict[str, str], args: list[str], remedy: str) -> None:
    ran = run(env, *args)
    assert (ran.status, ran.out) == (2, "")
    assert remedy in ran.err


def test_the_shell_completes_topics(env: dict[str, str]) -> None:
    asked = {"_PHSEARCH_CLIENT_COMPLETE": "bash_complete", "COMP_WORDS": "phsearch-client help qu", "COMP_CWORD": "2"}
    done = subprocess.run(PHSEARCH_CLIENT, env=env | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,query-language"]
