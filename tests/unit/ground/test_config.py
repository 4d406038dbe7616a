"""Settings: the example is complete, defaults are the code's, and mistakes are named."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import tomllib
from pathlib import Path

import pytest

from phsearch import config, paths
from phsearch.errors import ConfigError
from phsearch.installer.config_file import ensure_config

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def test_the_example_holds_every_key_with_its_default() -> None:
    text = EXAMPLE.read_text()
    assert config.load(EXAMPLE) == config.Config()
    data = tomllib.loads(text)

    def keys(section: object) -> set[str]:
        return {field.name for field in dataclasses.fields(section)}  # type: ignore[arg-type]

    assert set(data) == keys(config.Config)
    for name, section in data.items():
        if isinstance(section, dict):
            assert set(section) == keys(getattr(config.Config(), name)), name


def test_every_key_of_the_example_has_one_comment_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"\w+ = ", line):
            assert above.startswith("# "), line


def test_a_missing_file_gives_the_defaults(tmp_path: Path) -> None:
    assert config.load(tmp_path / "none.toml") == config.Config()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_mark_with_which_editors_of_windows_begin_a_file_is_skipped(tmp_path: Path, newline: str) -> None:
    file = tmp_path / "config.toml"
    text = newline.join(('roots = ["~/Fotos/Übung"]', "[watch]", "hidden = true", ""))
    file.write_bytes(text.encode("utf-8-sig"))
    settings = config.load(file)
    assert (settings.roots, settings.watch.hidden) == (("~/Fotos/Übung",), True)
    file.write_bytes(b"\xef\xbb\xbf")
    assert config.load(file) == config.Config()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named_with_the_remedy(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes("[watch]\nhidden = true\n".encode(encoding))
    with pytest.raises(ConfigError, match="it is UTF-16 text, and TOML is UTF-8") as caught:
        config.load(file)
    assert caught.value.hint == "save it as UTF-8"


def test_a_file_that_a_power_failure_left_full_of_nulls_is_not_called_utf_16(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(bytes(100))
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.load(file)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman", "cp437"])
def test_another_encoding_is_named_with_its_line(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes('# mine\nroots = ["~/Übung"]\n'.encode(encoding))
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(line 2\)") as caught:
        config.load(file)
    assert caught.value.hint == "save it as UTF-8"


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("link", ["config.toml", "phsearch", "above"])
def test_a_link_to_nowhere_is_no_missing_file(tmp_path: Path, link: str, *, required: bool) -> None:
    file = tmp_path / "above" / "phsearch" / "config.toml"
    at = next(path for path in (file, *file.parents) if path.name == link)
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to("/mnt/usb/dotfiles")
    with pytest.raises(ConfigError, match=f"{at} is a link to /mnt/usb/dotfiles, which is not there") as caught:
        config.load(file, required=required)
    assert caught.value.hint
    with pytest.raises(ConfigError, match="is a link to"):
        ensure_config(file, (), {"HOME": str(tmp_path)})
    assert at.is_symlink(), "nothing takes its place"


def test_numbers_without_a_point_are_fine_where_a_number_is_wanted() -> None:
    assert config.parse({"watch": {"settle_seconds": 2}}).watch.settle_seconds == 2.0


@pytest.mark.parametrize("data", [{"watch": {"hidden": "yes"}}, {"index": {"decode_threads": True}}, {"roots": [1]}])
def test_a_value_of_the_wrong_kind_is_refused_with_the_right_one(data: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="bad value") as caught:
        config.parse(data)
    assert "must be" in caught.value.hint


def test_paths_follow_the_xdg_directories() -> None:
    env = {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}
    assert str(paths.config_file(env)) == "/c/phsearch/config.toml"
    assert str(paths.state_dir(env)) == "/s/phsearch"
    assert str(paths.socket_path(env)) == "/r/phsearch/phsearch.sock"


def test_paths_have_defaults_and_ignore_relative_directories() -> None:
    env = {"HOME": "/h", "XDG_STATE_HOME": "relative"}
    assert str(paths.config_file(env)) == "/h/.config/phsearch/config.toml"
    assert str(paths.state_dir(env)) == "/h/.local/state/phsearch"
    assert str(paths.socket_path(env)) == "/h/.local/state/phsearch/run/phsearch.sock"


def test_the_pictures_folder_is_the_desktops(tmp_path: Path) -> None:
    env = {"HOME": "/h", "XDG_CONFIG_HOME": str(tmp_path)}
    assert str(paths.pictures_dir(env)) == "/h/Pictures"
    (tmp_path / "user-dirs.dirs").write_text('XDG_MUSIC_DIR="$HOME/M"\nXDG_PICTURES_DIR="$HOME/Bilder"\n')
    assert str(paths.pictures_dir(env)) == "/h/Bilder"
    (tmp_path / "user-dirs.dirs").write_text('XDG_PICTURES_DIR="$HOME/"\n')
    assert str(paths.pictures_dir(env)) == "/h/Pictures", "pointing at $HOME switches the folder off"


def test_paths_are_expanded_as_a_shell_would() -> None:
    env = {"HOME": "/h", "DISK": "/mnt/d"}
    assert str(paths.expand("~/a", env)) == "/h/a"
    assert str(paths.expand("$DISK/x/../y", env)) == "/mnt/d/y"
    assert str(paths.expand("${DISK}", env)) == "/mnt/d"


def roots_of(tmp_path: Path, *roots: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    file = tmp_path / "config.toml"
    file.write_text(f"roots = {json.dumps(roots)}\n")
    env = {"HOME": str(tmp_path), "PICS": str(tmp_path / "pics")}
    return config.ConfigSource(config.DaemonOptions(config=str(file), root=options), env).read().paths.roots


@pytest.mark.parametrize(
    "root", ["~root/Pictures", "~nobody-here", "$UNSET/a", "${UNSET}/a", "/mnt/$UNSET/a", "~/Pictures ", "/mnt/a\t"]
)
def test_a_root_that_is_half_understood_is_refused_with_its_key(tmp_path: Path, root: str) -> None:
    with pytest.raises(ConfigError, match='bad value for "roots"') as caught:
        roots_of(tmp_path, "/other", root)
    assert f'"{root}"' in caught.value.hint
    with pytest.raises(ConfigError, match='bad value for "--root"'):
        roots_of(tmp_path, options=(root,))


def test_a_root_means_what_a_shell_means_by_it_or_the_folder_that_has_that_name(tmp_path: Path) -> None:
    for name in ("odd$NAME", "blank ", "${odd}"):
        (tmp_path / name).mkdir()
    given = ("~", "~/a/../b/", "$PICS/c", "${PICS}//d", f"{tmp_path}/odd$NAME", f"{tmp_path}/blank ", "~/${odd}", "/~x")
    inside = ("", "/b", "/pics/c", "/pics/d", "/odd$NAME", "/blank ", "/${odd}")
    assert roots_of(tmp_path, *given) == (*(f"{tmp_path}{each}" for each in inside), "/~x")


@pytest.mark.parametrize(("name", "kept"), [("mini", ""), ("local-dir:/m", ""), ("ViT-B-32", "laion2b_s34b_b79k")])
def test_weights_that_are_left_in_the_file_do_not_make_another_model(tmp_path: Path, name: str, kept: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[model]\nname = "{name}"\npretrained = "laion2b_s34b_b79k"\n')
    settings = config.ConfigSource(config.DaemonOptions(config=str(file)), {"HOME": str(tmp_path)}).read()
    assert settings.config.model.pretrained == kept
    assert settings.written.model.pretrained == "laion2b_s34b_b79k"
