"""The interpreter as phsearch needs it, in any environment: without modules of other programs, and in UTF-8.

Only what Python itself has loaded is imported, which is there before any folder is searched: those of
PYTHONPATH come before the standard library, and may hold a module of any name.
"""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False  # as of typing, which is not imported
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FOREIGN_VARIABLES = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONWARNINGS")
"""What the environment says to all programs in Python, and is not for this one."""

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - see above


def leave_foreign_modules() -> None:
    """Import nothing from PYTHONPATH and from the folder of the script, also in the processes that this one starts.

    If phsearch itself is found through PYTHONPATH, all of it stays.
    """
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    foreign = [os.path.abspath(folder) for folder in given.split(os.pathsep)] if given else []  # noqa: PTH100
    if _OWN_FOLDER in foreign:
        return
    in_force = not {"PYTHONINSPECT", "PYTHONWARNINGS"}.isdisjoint(os.environ)
    for name in FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    # What is loaded or set already cannot be taken back. And a folder of the interpreter itself must stay in the path.
    if in_force or _has_loaded(foreign) or any(_is_below(folder, (sys.prefix, sys.base_prefix)) for folder in foreign):
        _restart()
    if not sys.flags.safe_path and os.path.abspath(sys.path[0]) != _OWN_FOLDER:  # noqa: PTH100
        del sys.path[0]
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) not in foreign]  # noqa: PTH100


def use_utf8() -> None:
    """Take names of files as UTF-8, in any locale, as the index and the protocol have them.

    Python can do so only from its start on. A terminal still gets the encoding of the locale.
    """
    if not sys.flags.utf8_mode and sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for the processes that this one starts
        _restart("-X", "utf8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = (stream.isatty() and _terminal_encoding()) or stream.encoding
            if encoding != "utf-8":
                stream.reconfigure(encoding=encoding, errors="backslashreplace")


def open_missing_streams() -> None:
    """Open /dev/null as stdout and stderr where the caller closed them, as `>&-` does."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole run


def decode_typed(args: Sequence[str]) -> list[str]:
    """Return arguments as text. What is no UTF-8 and names no file was typed on a terminal of another encoding."""
    encoding = None if all(map(_is_text, args)) else _terminal_encoding()
    if encoding is None:
        return list(args)
    return [
        arg if _is_text(arg) or os.path.lexists(arg) else os.fsencode(arg).decode(encoding, "surrogateescape")
        for arg in args
    ]


def _terminal_encoding() -> str | None:
    """Return the encoding of the locale; None if it is UTF-8, or nothing is known."""
    if not sys.flags.utf8_mode:
        return None
    import codecs  # noqa: PLC0415 - see above
    import locale  # noqa: PLC0415

    try:
        name = codecs.lookup(locale.getencoding()).name
    except LookupError:
        return None
    return None if name in ("ascii", "utf-8") else name  # the locale "C" says nothing about the terminal


def _is_text(arg: str) -> bool:
    return arg.isascii() or not any("\udc80" <= char <= "\udcff" for char in arg)


def _has_loaded(folders: Iterable[str]) -> bool:
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return any(isinstance(file, str) and _is_below(file, folders) for file in files)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def _restart(*options: str) -> None:
    """Start the same program anew in this process, with options of Python. Return only if that cannot be done."""
    try:
        with open("/proc/self/cmdline", "rb") as file:  # noqa: PTH123 - `sys.argv` is decoded already
            words = file.read().split(b"\0")[1:-1]
        os.execv(sys.executable, [os.fsencode(sys.executable), *map(os.fsencode, options), *words])  # noqa: S606
    except (OSError, ValueError):
        return
