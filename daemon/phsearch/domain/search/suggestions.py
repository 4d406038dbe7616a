"""A camera or a folder that no photo has is a slip of the pen: say so, and name what is nearest."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from phsearch.domain.query import quoted
from phsearch.domain.query.ast import Camera, Folder, Root
from phsearch.domain.search.filters import fold_name
from phsearch.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phsearch.domain.query.ast import Filter
    from phsearch.domain.search.columns import Columns
    from phsearch.domain.search.filters import FilterCompiler

_COMPARED = 5_000
_SIMILAR = 0.5


def check_names(
    filters: Sequence[Filter], columns: Columns, filter_compiler: FilterCompiler, roots: Iterable[str]
) -> None:
    """Raise QueryError for a name that fits nothing in the library; in an empty library every name is fine."""
    if not len(columns):
        return
    for term in filters:
        for test in term.tests:
            match test:
                case Camera(words):
                    known = [name for name in columns.cameras.listed() if name]
                    if not filter_compiler.fits_any(test, known):
                        raise _unknown(
                            term, f"no photo was taken with a camera called {quoted(words)}", _nearest(words, known)
                        )
                case Folder(pattern):
                    folders = columns.folders.listed()
                    if not filter_compiler.fits_any(test, folders):
                        raise _unknown(
                            term,
                            f"there are no photos in a folder {quoted(pattern)}",
                            _nearest(pattern, _parts(folders)),
                        )
                case Root(name):
                    if not filter_compiler.fits_any(test, roots):
                        raise _unknown(
                            term, f"no watched folder is called {quoted(name)}", _nearest(name, _parts(roots))
                        )
                case _:
                    pass


def _parts(folders: Iterable[str]) -> list[str]:
    """Give the names of folders and of those above them, without what is above."""
    return sorted({part for folder in folders for part in folder.split("/") if part})


def _nearest(wanted: str, known: Sequence[str]) -> str:
    """Give the most similar name, "" where none is."""
    last = fold_name(wanted).strip("/").rpartition("/")[2]
    by_fold = {fold_name(name): name for name in known[:_COMPARED]}
    inside = [name for name in by_fold if last in name or name in last]
    near = difflib.get_close_matches(last, by_fold, 1, _SIMILAR) or inside[:1]
    if not near:
        # One word of a camera's name may be right, or nearly.
        words = {word: name for name in by_fold for word in name.split()}
        near = [words[word] for word in difflib.get_close_matches(last, words, 1, _SIMILAR)]
    return by_fold[near[0]] if near else ""


def _unknown(term: Filter, message: str, nearest: str) -> QueryError:
    hint = f"did you mean {term.key}:{quoted(nearest) if ' ' in nearest else nearest}?" if nearest else "leave it out"
    return QueryError(message, hint, start=term.place.start, end=term.place.end)
