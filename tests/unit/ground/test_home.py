"""The home folder: what HOME says, else what the system knows, and never a path that is half understood."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from phsearch import paths
from phsearch.daemon.worker_commands import worker_env
from phsearch.errors import NoHomeError

EVERY_PATH = [paths.home, paths.config_file, paths.state_dir, paths.model_cache, paths.pictures_dir]


@pytest.mark.parametrize("env", [{}, {"HOME": ""}])
def test_without_home_it_is_what_the_system_knows(env: dict[str, str]) -> None:
    assert paths.home(env) == Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert all(each(env).is_absolute() for each in EVERY_PATH)


@pytest.mark.parametrize("home", ["~", "home/me", ".", "../me", " /home/me", "~me", "$HOME"])
def test_a_home_that_is_no_absolute_path_is_refused(home: str) -> None:
    for each in EVERY_PATH:
        with pytest.raises(NoHomeError, match="no absolute path") as caught:
            each({"HOME": home})
        assert "set HOME" in caught.value.hint
    with pytest.raises(NoHomeError):
        paths.expand("~/Pictures", {"HOME": home})


@pytest.mark.parametrize("entry", [None, "", "~", "home"])
def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch, entry: str | None) -> None:
    def find(uid: int) -> pwd.struct_passwd:
        if entry is None:
            raise KeyError(uid)
        return pwd.struct_passwd(("me", "x", uid, uid, "", entry, "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", find)
    with pytest.raises(NoHomeError, match="HOME is not set, and the system knows no"):
        paths.home({})
    env = {"XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c", "XDG_CACHE_HOME": "/k", "XDG_PICTURES_DIR": "/p"}
    assert all(each(env).is_absolute() for each in EVERY_PATH[1:])
    assert "HOME" not in worker_env(env, Path("/s/torch"))


@pytest.mark.parametrize("given", ["", "cache", "~/cache", "./x"])
def test_relative_folders_count_for_none(given: str) -> None:
    env = {"HOME": "/h", **dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME"), given)}
    assert str(paths.model_cache(env)) == "/h/.cache/huggingface"
    assert str(paths.state_dir(env)) == "/h/.local/state/phsearch"
    assert str(paths.config_file(env)) == "/h/.config/phsearch/config.toml"
    of_workers = worker_env(env, Path("/s/torch"))
    assert of_workers["HOME"] == "/h"
    assert not {"XDG_CACHE_HOME", "HF_HOME"} & {name for name, value in of_workers.items() if value == given}


def test_workers_get_a_home_where_the_daemon_has_none() -> None:
    assert worker_env({"HOME": ""}, Path("/s/torch"))["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert worker_env({"HF_HOME": "/models"}, Path("/s/torch"))["HF_HOME"] == "/models"


def test_desktop_folders_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "user-dirs.dirs").write_bytes('\ufeffXDG_PICTURES_DIR="$HOME/Bilder"\n'.encode())
    assert str(paths.pictures_dir({"HOME": "/h", "XDG_CONFIG_HOME": str(tmp_path)})) == "/h/Bilder"
