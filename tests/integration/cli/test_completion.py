"""Completion of both programs: by the classes that the shells call, and in real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from phsearch.cli.completion.shells import BashLineComplete, FishLineComplete, ZshLineComplete, split_line
from phsearch.cli.completion.suggestions import file_names
from phsearch.cli.group import commands as client
from phsearch.cli.names import completion_variable
from phsearch.daemon.main import commands as daemon
from support.fakes import SILENCE, ScriptedDaemon
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BREAKS = " \t\n\"'><=;|&(:"
SCRIPT = {
    "library.names": {"names": ["Canon EOS 5D", "Canon R5"]},
    "albums.list": {"albums": [{"name": "cats"}, {"name": "beach days"}]},
    "status": {
        "roots": [{"path": "/mnt/Pictures"}, {"path": "/mnt/Phone"}],
        "removed": [{"path": "/mnt/old"}],
    },
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with photos the current one, with a private socket in it."""
    (tmp_path / "phsearch").mkdir()
    (tmp_path / "beach").mkdir()
    for name in ("beach.jpg", "a b.jpg", ".hidden.jpg"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def answers(place: Path) -> Iterator[ScriptedDaemon]:
    with ScriptedDaemon(place / "phsearch" / "phsearch.sock", SCRIPT) as running:
        yield running


def suggested(
    monkeypatch: pytest.MonkeyPatch, line: str, shell: type[BashLineComplete | ZshLineComplete | FishLineComplete]
) -> list[str]:
    program = line.split(maxsplit=1)[0]
    group = daemon if program == "phsearchd" else client
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_WORDBREAKS", BREAKS if shell is BashLineComplete else "")
    return shell(group, {}, program, completion_variable(program)).complete().splitlines()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("phsearch-client cam", ["part,camera:"]),
        ("phsearch-client dog +cam", ["part,+camera:"]),
        ("phsearch-client dog -cam", ["part,-camera:"]),
        ("phsearch-client albums save x dog cam", ["part,camera:"]),
        ("phsearch-client why a.jpg cam", ["part,camera:"]),
        ("phsearch-client camera:nik", []),
        ("phsearch-client camera:can", ["plain,'\"Canon EOS 5D\"'", "plain,'\"Canon R5\"'"]),
        ("phsearch-client 'camera:\"can", ['plain,camera:"Canon EOS 5D"', 'plain,camera:"Canon R5"']),
        ("phsearch-client --camera Can", ["plain,'Canon EOS 5D'", "plain,'Canon R5'"]),
        ("phsearch-client root:Pi", ["plain,Pictures"]),
        ("phsearch-client type:raw,j", ["plain,raw,jpeg", "plain,raw,jxl", "plain,raw,jp2"]),
        ("phsearch-client --type raw,jpe", ["plain,raw,jpeg"]),
        ("phsearch-client ORIENTATION:PO", ["plain,portrait"]),
        ("phsearch-client date:y", ["plain,yesterday"]),
        ("phsearch-client near:4", []),
        ("phsearch-client what:x", []),
        ("phsearch-client like:be", ["part,beach/", "plain,beach.jpg"]),
        ("phsearch-client like:a", ["plain,'a b.jpg'"]),
        ("phsearch-client like:nowhere/", []),
        ("phsearch-client --like ", ["file,"]),
        ("phsearch-client --like=bea", ["part,beach/", "plain,beach.jpg"]),
        ("phsearch-client --under=bea", ["part,beach/"]),
        ("phsearch-client --min ", ["plain,strong", "plain,likely", "plain,weak"]),
        ("phsearch-client dog --min=l", ["plain,likely"]),
        ("phsearch-client --thumbnails=k", ["plain,kitty"]),
        ("phsearch-client albums show ", ["plain,cats", "plain,'beach days'"]),
        ("phsearch-client albums remove c", ["plain,cats"]),
        ("phsearch-client confirm-deletions /mnt/Ph", ["plain,/mnt/Phone"]),
        ("phsearch-client forget ", ["plain,/mnt/old"]),
        ("phsearch-client pause 3", ["plain,30m"]),
        ("phsearch-client why ", ["file,"]),
        ("phsearchd ins", ["plain,install"]),
        ("phsearchd install --n", ["plain,--now"]),
        ("phsearchd --log-level w", ["plain,warning"]),
        ("phsearchd --log-level=w", ["plain,warning"]),
        ("phsearchd --root ", ["dir,"]),
        ("phsearchd --config ", ["file,"]),
    ],
)
@pytest.mark.usefixtures("answers")
def test_bash_gets_what_it_replaces(monkeypatch: pytest.MonkeyPatch, line: str, said: list[str]) -> None:
    assert suggested(monkeypatch, line, BashLineComplete) == said


@pytest.mark.usefixtures("answers")
def test_zsh_and_fish_get_whole_words_and_what_they_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    assert suggested(monkeypatch, "phsearch-client cam", ZshLineComplete) == [
        "part",
        "camera:",
        "the camera that took it",
    ]
    assert suggested(monkeypatch, "phsearch-client cam", FishLineComplete) == ["part,camera:\tthe camera that took it"]
    for shell, said in (
        (ZshLineComplete, ["plain", 'camera:"Canon EOS 5D"', "_", "plain", 'camera:"Canon R5"', "_"]),
        (FishLineComplete, ['plain,camera:"Canon EOS 5D"', 'plain,camera:"Canon R5"']),
    ):
        assert suggested(monkeypatch, "phsearch-client camera:Can", shell) == said
    assert suggested(monkeypatch, "phsearch-client --min=l", ZshLineComplete) == ["plain", "--min=likely", "_"]


def test_names_are_completed_in_any_case_and_form_of_accented_letters(place: Path) -> None:
    (place / "\u00c9t\u00e9.jpg").touch()
    for start in ("\u00e9t", "e\u0301T", "E\u0301"):
        assert [item.value for item in file_names(start)] == ["\u00c9t\u00e9.jpg"]
    assert [item.value for item in file_names("BEACH")] == ["beach/", "beach.jpg"]


def test_a_daemon_that_is_away_or_silent_suggests_nothing_at_once(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    assert suggested(monkeypatch, "phsearch-client camera:C", BashLineComplete) == []
    with ScriptedDaemon(
        place / "phsearch" / "phsearch.sock", {"library.names": SILENCE, "albums.list": {"albums": []}}
    ):
        start = time.monotonic()
        assert suggested(monkeypatch, "phsearch-client camera:C", BashLineComplete) == []
        assert time.monotonic() - start < scaled(3)
        assert suggested(monkeypatch, "phsearch-client albums show ", BashLineComplete) == []


def test_the_socket_of_the_line_is_asked(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    other = place / "other.sock"
    with ScriptedDaemon(other, SCRIPT):
        line = f"phsearch-client --socket {other} albums show ca"
        assert suggested(monkeypatch, line, BashLineComplete) == ["plain,cats"]


@pytest.mark.parametrize(
    ("line", "words", "last"),
    [
        ("p ", ["p"], ("", 0, "")),
        ("p a b", ["p", "a"], ("b", 0, "")),
        ("p 'a b' c", ["p", "a b"], ("c", 0, "")),
        (r"p a\ b", ["p"], ("a b", 0, "")),
        ("p in:My", ["p"], ("in:My", 3, "")),
        ("p 'in:My Ph", ["p"], ("in:My Ph", 0, "'")),
        ('p in:"My Ph', ["p"], ("in:My Ph", 3, '"')),
        ("p '' x", ["p", ""], ("x", 0, "")),
    ],
)
def test_a_line_is_split_as_the_shell_splits_it(line: str, words: list[str], last: tuple[str, int, str]) -> None:
    assert split_line(line, BREAKS) == (words, last)


# --- real shells --------------------------------------------------------------------------------------------------

PROMPT = b"ready> "


class Shell:
    """A shell on a pseudo-terminal, to type at."""

    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, env)
        self._seen = b""

    def type_until(self, keys: bytes, wanted: bytes, seconds: float = 60) -> bytes:
        """Type, and return what is shown up to `wanted`."""
        os.write(self._master, keys)
        deadline = time.monotonic() + seconds
        while wanted not in self._seen:
            left = deadline - time.monotonic()
            assert left > 0, f"not shown: {wanted!r} in {self._seen!r}"
            if select.select([self._master], [], [], left)[0]:
                self._seen += os.read(self._master, 1 << 16)
        shown, _, self._seen = self._seen.partition(wanted)
        return shown

    def end(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self._master)


@pytest.fixture
def shell(request: pytest.FixtureRequest, place: Path) -> Iterator[Shell]:
    """Start a shell in which both programs are commands that print their arguments, one a line."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    programs = place / "bin"
    programs.mkdir()
    for program, module in (("phsearch-client", "phsearch.cli"), ("phsearchd", "phsearch.daemon.main")):
        file = programs / program
        variable = completion_variable(program)
        file.write_text(
            f'#!/bin/sh\n[ "${variable}$SCRIPT" ] && exec {sys.executable} -m {module} "$@"\n'
            'for arg; do printf "<%s>" "$arg"; done; echo\n'
        )
        file.chmod(0o755)
    env = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(place),
        "TERM": "dumb",
        "PS1": PROMPT.decode(),
    }
    words = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[name]
    running = Shell(words, env)
    try:
        if name == "zsh":
            running.type_until(b"autoload -U compinit; compinit -u -D; PS1='ready> '; echo o''k\n", b"ok")
        running.type_until(f'eval "$(SCRIPT=1 phsearch-client completion {name})"; echo do""ne\n'.encode(), b"done")
        yield running
    finally:
        running.end()


@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
@pytest.mark.usefixtures("answers")
def test_a_real_shell_completes_words_that_reach_the_program(shell: Shell) -> None:
    for keys, arguments in (
        (b"phsearch-client cam\tx", b"<camera:x>"),
        (b"phsearch-client dog -ori\tpo\t", b"<dog><-orientation:portrait>"),
        (b"phsearch-client root:Pi\tdog", b"<root:Pictures><dog>"),
        (b"phsearch-client like:a\t", b"<like:a b.jpg>"),
        (b"phsearch-client --min=l\tdog", b"<--min=likely><dog>"),
        (b"phsearch-client albums show b\t", b"<albums><show><beach days>"),
        (b"phsearch-client camera:Can\tR\t", b'<camera:"Canon R5">'),
        (b"phsearchd ins\t--n\t", b"<install><--now>"),
    ):
        shell.type_until(keys + b"\n", arguments)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.usefixtures("answers")
def test_fish_offers_what_it_is_given(place: Path) -> None:
    (place / "bin").mkdir()
    for program, module in (("phsearch-client", "phsearch.cli"), ("phsearchd", "phsearch.daemon.main")):
        (place / "bin" / program).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (place / "bin" / program).chmod(0o755)
    env = os.environ | {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "HOME": str(place)}
    for line, offered in (
        ("phsearch-client cam", ["camera:\tthe camera that took it"]),
        ("phsearch-client camera:Can", ['camera:"Canon EOS 5D"', 'camera:"Canon R5"']),
        ("phsearch-client dog --min=l", ["--min=likely"]),
        ("phsearch-client like:be", ["like:beach/", "like:beach.jpg"]),
        ("phsearchd install --n", ["--now\tStart at once."]),
    ):
        code = f"phsearch-client completion fish | source; complete -C '{line}'"
        done = subprocess.run(["fish", "-N", "-c", code], env=env, capture_output=True, text=True, check=True)
        assert sorted(done.stdout.splitlines()) == sorted(offered)
