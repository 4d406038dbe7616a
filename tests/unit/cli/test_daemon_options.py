"""The command line of phsearchd: any number of folders after --root, and help in the style of phsearch-client's."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from phsearch.cli.group import commands as client_commands
from phsearch.daemon import main as daemon
from phsearch.daemon import start

if TYPE_CHECKING:
    from collections.abc import Sequence

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the options of each start; no daemon runs."""
    seen: list[Any] = []

    def note(given: Any, *_: Any, **__: Any) -> int:
        seen.append(given)
        return 0

    monkeypatch.setattr(start, "start", note)
    return seen


def status_of(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        daemon.main(args)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("args", "roots"),
    [
        ((), ()),
        (("--root", "/a"), ("/a",)),
        (("--root", "/a", "/b c", "--rebuild"), ("/a", "/b c")),
        (("--root=/a", "--root", "/b", "/c"), ("/a", "/b", "/c")),
        (("--root", "/a", "--model", "mini", "--root", "/b"), ("/a", "/b")),
    ],
)
def test_root_takes_any_number_of_folders(started: list[Any], args: Sequence[str], roots: tuple[str, ...]) -> None:
    assert status_of(*args) == 0
    assert [given["root"] for given in started] == [roots]


def test_every_option_reaches_the_daemon(started: list[Any]) -> None:
    args = "--config c --state-dir s --socket o --model m --log-level debug --rebuild --root r"
    assert status_of(*args.split()) == 0
    assert started == [
        {
            "config": "c",
            "state_dir": "s",
            "socket": "o",
            "model": "m",
            "log_level": "debug",
            "rebuild": True,
            "root": ("r",),
        }
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--bogus",), "No such option"),
        (("bogus",), "No such command 'bogus'."),
        (("--root",), "Option '--root' requires an argument."),
        (("--root", "--rebuild"), "Option '--root' requires an argument."),
        (("install", "--root", "--now"), "Option '--root' requires an argument."),
        (("--log-level", "loud"), "'debug', 'info', 'warning', 'error'"),
        (("--model", "m", "install"), "install takes its own options only: the service runs with the settings in"),
        (("--rebuild", "uninstall"), "uninstall takes its own options only"),
        (("install", "\x1b[31m"), r"\x1b[31m"),
    ],
)
def test_a_wrong_usage_is_explained_and_nothing_starts(
    started: list[Any], capsys: pytest.CaptureFixture[str], args: Sequence[str], said: str
) -> None:
    assert status_of(*args) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Usage: phsearchd" in shown.err
    assert (shown.out, started) == ("", [])


@pytest.mark.parametrize(
    ("error", "status"), [(click.Abort(), 130), (KeyboardInterrupt(), 130), (click.UsageError("no"), 2)]
)
def test_an_interrupted_command_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int
) -> None:
    def interrupt(*_: Any, **__: Any) -> int:
        raise error

    monkeypatch.setattr(start, "run_installer", interrupt)
    assert status_of("uninstall") == status
    assert "Traceback" not in capsys.readouterr().err


def test_help_and_version_import_neither_the_settings_nor_anything_heavy() -> None:
    for option in ("--help", "--version"):
        code = (
            f"import sys, atexit; sys.path[:0] = {sys.path!r}; atexit.register(lambda: print(*sys.modules));"
            f"from phsearch.daemon.main import main; main(['{option}'])"
        )
        done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
        loaded = set(done.stdout.splitlines()[-1].split())
        assert "click" in loaded
        assert not {"asyncio", "dataclasses", "numpy", "phsearch.config", "phsearch.installer"} & loaded


@pytest.mark.parametrize("program", [client_commands, daemon.commands], ids=["client", "daemon"])
def test_the_help_of_both_programs_has_one_form(program: click.Group) -> None:
    shown = CliRunner().invoke(program, ["-h"], prog_name="x").output
    lines = shown.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings[0].startswith("Usage: x [OPTIONS] ")
    assert headings[-3:] == ["Options:", "Commands:", "Exit status:"]
    assert max(map(len, lines)) <= 80
    assert "  -h, --help" in shown


@pytest.mark.parametrize("program", [client_commands, daemon.commands], ids=["client", "daemon"])
def test_each_option_and_command_is_described_by_a_sentence(program: click.Group) -> None:
    context = program.make_context("x", [], resilient_parsing=True)
    commands = [program.get_command(context, name) for name in program.list_commands(context)]
    for command in (program, *commands):
        assert command is not None
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help is not None
                assert param.help[0].isupper() or not param.help[0].isalpha(), param.help
                assert param.help.endswith("."), param.help
    for command in commands:
        assert command is not None
        assert command.get_short_help_str(80).endswith("."), command.name
