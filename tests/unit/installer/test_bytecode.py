"""Libraries without bytecode are compiled once."""

from __future__ import annotations

import os
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from phsearch.installer.bytecode import compile_libraries

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of packages, one of which is large_package, without bytecode."""
    (tmp_path / "large_package").mkdir()
    (tmp_path / "large_package" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "large_package" / "for_another_python.py").write_text("x = = 1\n")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_packages_without_bytecode_are_compiled_once_and_said(site: Path) -> None:
    said: list[str] = []
    compile_libraries(said.append, ["large_package", "no_such_package", "sys"])
    assert said == ["bytecode  compiling the libraries, once; a minute"]
    assert len(list(site.rglob("__init__.*.pyc"))) == 1
    compile_libraries(said.append, ["large_package"])
    assert len(said) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_folder_that_is_not_ours_is_left_alone(site: Path) -> None:
    site.chmod(0o500)
    try:
        compile_libraries(pytest.fail, ["large_package"])
    finally:
        site.chmod(0o700)
