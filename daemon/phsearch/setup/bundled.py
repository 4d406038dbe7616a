"""The files that `install` starts from: part of the wheel, or, in a checkout, beside the sources."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from phsearch.errors import PhsearchError

_CHECKOUT = Path(__file__).parents[3]


def text(name: str) -> str:
    """Give a file, e.g. "systemd/phsearch.service". Raises PhsearchError."""
    packaged = resources.files("phsearch.setup").joinpath(f"data/{name}")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    try:
        return (_CHECKOUT / name).read_text(encoding="utf-8")
    except OSError:
        raise PhsearchError(f"this installation of phsearch lacks {name}", "install it anew") from None
