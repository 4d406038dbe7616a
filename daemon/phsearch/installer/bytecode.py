"""Compiles the libraries once, if that was not done when they were installed: else each start of a process does it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LARGEST = ("lancedb", "numpy", "openvino", "pyarrow", "PIL")
"""The packages whose imports take longest."""
_NOTHING_SERIOUS = frozenset({0, 1})
"""Exit statuses of compileall: some files of some packages are for other versions of Python."""


def compile_libraries(print_line: Callable[[str], None], packages: Iterable[str] = _LARGEST) -> None:
    """Compile the folder of installed packages if one of `packages` has no bytecode and the folder is ours to write."""
    folder = sysconfig.get_path("purelib")
    if not os.access(folder, os.W_OK) or all(map(_is_compiled, packages)):
        return
    print_line("bytecode  compiling the libraries, once; a minute")
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "compileall", "-qq", "-j", "0", folder], check=False, stdout=subprocess.DEVNULL
    )
    if done.returncode not in _NOTHING_SERIOUS:
        print_line("          not finished; starts take longer")


def _is_compiled(package: str) -> bool:
    """Whether a package has bytecode, or is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return True
    return os.path.exists(importlib.util.cache_from_source(spec.origin))  # noqa: PTH110 - a str stays a str
