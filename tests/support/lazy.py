"""Modules that load torch, for tests: imported when they are used, because each process of pytest imports all tests."""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """A module that is imported when it is first asked for a public attribute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks all that a file of tests defines for "_mock_name" and the like
            raise AttributeError(name)
        return getattr(importlib.import_module(self._name), name)
