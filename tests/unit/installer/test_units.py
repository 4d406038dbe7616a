"""Unit files: what an installation puts into them reads back as it was meant."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from phsearch import config
from phsearch.errors import PhsearchError
from phsearch.installer import files, install, units
from phsearch.installer.config_file import example

SYSTEMD = Path(__file__).parents[3] / "systemd"
PLAIN = ("Description=", "Documentation=", "ListenStream=", "WantedBy=", "Also=")  # say themselves what they are


def rendered(text: str, *command: str, state: str = "/s", memory: str = "", **env: str) -> list[str]:
    values = units.UnitValues(
        command=command or ("/b/phsearchd",), state=state, downloads="/d", memory_high=memory, env=env
    )
    return units.render(text, values).splitlines()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/bin/phsearchd", "ExecStart=:/bin/phsearchd"),
        ("/my tools/phsearchd", 'ExecStart=":/my tools/phsearchd"'),
        ("/100%/phsearchd", "ExecStart=:/100%%/phsearchd"),
        ("/$HOME/phsearchd", 'ExecStart=":/$HOME/phsearchd"'),
        ("/ü/phsearchd", 'ExecStart=":/ü/phsearchd"'),
    ],
)
def test_the_path_of_the_program_is_quoted_as_it_needs(path: str, line: str) -> None:
    assert rendered("ExecStart=/usr/bin/env phsearchd", path) == [line]


@pytest.mark.parametrize("path", ['/a"b', "/a'b", "/a\\b", "/a\nb", "/a\udcff"])
def test_a_path_that_systemd_takes_in_no_form_is_refused(path: str) -> None:
    with pytest.raises(PhsearchError) as caught:
        rendered("ExecStart=x", path)
    assert caught.value.hint


def test_other_words_may_hold_anything() -> None:
    line = rendered("ExecStart=x", "/bin/x", 'a "b"\n', "\\", "")[0]
    assert line == r'ExecStart=:/bin/x "a \x22b\x22\x0a" "\x5c" ""'


def test_paths_replace_the_defaults_with_their_dashes() -> None:
    text = "ReadWritePaths=%h/.local/state/phsearch -%h/.cache/huggingface -%t/phsearch"
    assert rendered(text, state="/my %/state") == ['ReadWritePaths="/my %%/state" -/d -%t/phsearch']
    values = units.UnitValues(command=("/x",), state="/s", downloads="/a b", memory_high="", env={})
    assert units.render(text, values) == 'ReadWritePaths=/s "-/a b" -%t/phsearch\n'


@pytest.mark.parametrize(("memory", "line"), [("", "infinity"), ("2G", "2G"), ("25%", "25%")])
def test_the_memory_limit_comes_from_the_settings(memory: str, line: str) -> None:
    assert rendered("MemoryHigh=infinity", memory=memory) == [f"MemoryHigh={line}"]


def test_variables_that_move_paths_are_set_for_the_daemon() -> None:
    assert rendered("UMask=0077", XDG_STATE_HOME="/a b") == ["UMask=0077", 'Environment="XDG_STATE_HOME=/a b"']


def test_every_line_that_is_rendered_exists_once() -> None:
    service = files.text("systemd/phsearch.service")
    for key in ("ExecStart", "ExecStartPre", "MemoryHigh", "UMask"):
        assert [line.partition("=")[0] for line in service.splitlines()].count(key) == 1
    assert "ReadWritePaths=%h/.local/state/phsearch -%h/.cache/huggingface" in files.text("systemd/" + units.SANDBOX)


def test_every_unit_is_recognised_as_ours() -> None:
    for name in (units.SERVICE, units.SOCKET, units.SANDBOX):
        assert units.is_ours("\n".join(rendered(files.text(f"systemd/{name}"))))
    assert not units.is_ours("[Service]\nExecStart=phsearch\n")


def test_the_unit_sets_no_priority_that_the_query_worker_would_inherit() -> None:
    keys = {line.partition("=")[0] for line in files.text("systemd/phsearch.service").splitlines()}
    assert not keys & {"Nice", "CPUSchedulingPolicy", "IOSchedulingClass", "IOSchedulingPriority"}


def test_every_setting_of_a_unit_says_why() -> None:
    for file in (path for path in SYSTEMD.rglob("*") if path.is_file()):
        before = ""
        for line in file.read_text().splitlines():
            if not line:
                before = ""
            elif "=" in line and not line.startswith("#"):
                explained = bool(before) or line.startswith(PLAIN)
                assert explained, f"{file.name}: {line}"
            before = line or before


def test_folders_with_any_name_become_toml() -> None:
    roots = ["/a b", '/q"q', "/b\\n", "/tab\t\x7f", "/ü 海", "/%h $HOME"]
    assert tomllib.loads(example(roots))["roots"] == roots


def test_new_settings_choose_nothing_but_the_folders() -> None:
    assert config.parse(tomllib.loads(example([]))) == config.Config()
    assert config.parse(tomllib.loads(example(["/a"]))) == config.Config(roots=("/a",))
    keys = [line for line in example(["/a"]).splitlines() if line and line[0] not in "#["]
    assert keys == ['roots = ["/a"]']


def test_the_daemon_keeps_how_models_are_downloaded_but_no_password() -> None:
    env = {
        "HF_ENDPOINT": "https://mirror.example",
        "https_proxy": "http://proxy:3128",
        "HTTP_PROXY": "http://me:pw@proxy",
    }
    env |= {"HF_HOME": "/disk/models", "XDG_CACHE_HOME": "relative", "NO_PROXY": "", "LANG": "C"}
    kept = install.kept_environment(env)
    assert kept == {name: env[name] for name in ("HF_HOME", "HF_ENDPOINT", "https_proxy")}
