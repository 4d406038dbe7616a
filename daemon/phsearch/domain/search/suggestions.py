"""Names of the library: those that begin in some way, and the nearest one to a name that no photo has."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from phsearch.domain.query import quoted
from phsearch.domain.query.mistakes import error_at
from phsearch.domain.query.names import Camera, Folder, Root
from phsearch.text import fold_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phsearch.domain.query.ast import Filter
    from phsearch.domain.search.columns import Columns
    from phsearch.domain.search.filters import FilterCompiler
    from phsearch.errors import QueryError

_PLAIN = re.compile(r"[^\W_][\w./&'()+-]*")
"""A value that needs no quotes."""
_COMPARED = 5_000
_SIMILAR = 0.5
_SUGGESTED = 100


def check_names(
    filters: Sequence[Filter], columns: Columns, filter_compiler: FilterCompiler, roots: Iterable[str]
) -> None:
    """Raise QueryError for a name that matches nothing in the library; in an empty library every name is fine."""
    if not len(columns):
        return
    for term in filters:
        for test in term.tests:
            match test:
                case Camera(name):
                    message = f"no photo was taken with a camera called {quoted(name)}"
                    names = suggestions = [camera for camera in columns.cameras.listed() if camera]
                case Folder(name):
                    message = f"there are no photos in a folder {quoted(name)}"
                    names = columns.folders.listed()
                    suggestions = _folder_names(names, roots)
                case Root(name):
                    message = f"no watched folder is called {quoted(name)}"
                    names = list(roots)
                    suggestions = _root_names(names)
                case _:
                    continue
            if not filter_compiler.fits_any(test, names):
                raise _unknown(term, message, _nearest(name, suggestions))


def names_beginning(kind: str, prefix: str, columns: Columns, roots: Iterable[str]) -> list[str]:
    """Return the cameras or folders whose names begin with `prefix`, in any case: by name, and not all of very many.

    A camera may also be named from its second word on, as in "Pixel 8". A folder is named by its path below its root.
    Only the part after the last "/" of the prefix is completed.
    """
    if kind == "camera":
        starts = [name.split() for name in columns.used_names("camera")]
        names = {" ".join(words[at:]) for words in starts for at in (range(len(words)) if prefix else (0,))}
    else:
        tops = [f"{root.rstrip('/')}/" for root in roots]
        below = [
            folder[len(top) :] for folder in columns.used_names("folder") for top in tops if folder.startswith(top)
        ]
        depth = prefix.count("/") + 1
        names = {"/".join(path.split("/")[:depth]) for path in below}
    begins = fold_name(prefix)
    return sorted(name for name in names if name and fold_name(name).startswith(begins))[:_SUGGESTED]


def _folder_names(folders: Iterable[str], roots: Iterable[str]) -> list[str]:
    """Return the names of folders and of those above them up to their roots: `in:` counts none above."""
    above = {f"{root.rstrip('/')}/": len(root.rstrip("/").rpartition("/")[0]) for root in roots}
    below = (folder[start:] for folder in folders for top, start in above.items() if f"{folder}/".startswith(top))
    return sorted({part for path in below for part in path.split("/") if part})


def _root_names(roots: Iterable[str]) -> list[str]:
    return sorted({name for root in roots if (name := root.rstrip("/").rpartition("/")[2])})


def _nearest(name: str, known: Sequence[str]) -> str:
    """Return the most similar known name, "" if none is similar."""
    last = fold_name(name).strip("/").rpartition("/")[2]
    by_fold = {fold_name(each): each for each in known[:_COMPARED]}
    inside = [each for each in by_fold if last in each or each in last]
    near = difflib.get_close_matches(last, by_fold, 1, _SIMILAR) or inside[:1]
    if not near:
        # One word of a camera's name may be right, or nearly.
        words = {word: each for each in by_fold for word in each.split()}
        near = [words[word] for word in difflib.get_close_matches(last, words, 1, _SIMILAR)]
    return by_fold[near[0]] if near and near[0] != fold_name(name) else ""


def _unknown(term: Filter, message: str, nearest: str) -> QueryError:
    meant = nearest if _PLAIN.fullmatch(nearest) else quoted(nearest)
    hint = f"did you mean {term.key}:{meant}?" if nearest else "leave it out"
    return error_at(term.place, message, hint)
