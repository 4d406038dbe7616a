"""Keeps a client for remote catalogs out of `import lancedb` until it is used, which here is never.

LanceDB imports about 300 generated classes of its REST client: two thirds of the import's time and 40 MB. They are
needed for databases on a server only. So while LanceDB is imported, each of these classes is a placeholder, which
imports the real one when it is called or asked for an attribute.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

_PACKAGE = "lance_namespace_urllib3_client"


@contextlib.contextmanager
def placeholders() -> Iterator[None]:
    """Replace the classes of the client by placeholders in everything that is imported meanwhile."""
    if _PACKAGE in sys.modules:
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]  # the next import finds the real ones


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != _PACKAGE:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        def placeholder(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return _Placeholder(name, (), {"__module__": module.__name__})

        module.__getattr__ = placeholder  # type: ignore[method-assign]


class _Placeholder(type):
    """A class of the client that is not imported yet."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._real()(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(cls._real(), name)

    def __instancecheck__(cls, instance: Any) -> bool:
        # Nothing can be an instance of a class that was never imported.
        return _PACKAGE in sys.modules and isinstance(instance, cls._real())

    def _real(cls) -> Any:
        return getattr(importlib.import_module(cls.__module__), cls.__name__)
