"""Values that a shell's completion suggests. The daemon knows the names; without it there are none, and no message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem

from phsearch.cli.query_args import quoted
from phsearch.client import Client
from phsearch.errors import PhsearchError
from phsearch.text import drives_terminal, fold_name
from phsearch.wire.filters import LIKE, TERMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

PART = "part"
"""The type of an item that something has to follow, such as "camera:". Others are whole: a space follows."""

_SECONDS = 0.5
_MOST = 1000


def one_of(values: Iterable[str]) -> Completer:
    """Return a completer that suggests these values."""
    known = tuple(values)
    return lambda _ctx, _param, start: _items(known, start)


def daemon_names(method: str, list_: str, field: str = "") -> Completer:
    """Return a completer that suggests the texts in a list of an answer, or this field of its objects."""

    def complete(ctx: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem]:
        found = _call(ctx, method).get(list_, ())
        return _items((each[field] if field else each for each in found), start)

    return complete


def term_values(key: str) -> Completer:
    """Return a completer for the option that stands for this term: it takes alternatives, with commas between them."""

    def complete(ctx: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem]:
        done, comma, last = start.rpartition(",")
        return [CompletionItem(done + comma + value) for value in _values(ctx, key, last) if _is_text(value)]

    return complete


def complete_term(ctx: click.Context, _param: click.Parameter | None, start: str) -> list[CompletionItem]:
    """Suggest the keys of filters, and after a colon the values of that filter or the names of files."""
    sign = start[:1] if start[:1] in ("+", "-") else ""
    key, colon, value = start[len(sign) :].partition(":")
    if not colon:
        keys = [term for term in TERMS.values() if term.key.startswith(key.lower())]
        return [CompletionItem(f"{sign}{term.key}:", type=PART, help=term.meaning) for term in keys]
    if key.lower() == LIKE.key:
        return [CompletionItem(f"{sign}{key}:{item.value}", type=item.type) for item in file_names(value)]
    done, comma, last = value.rpartition(",")
    head = f"{sign}{key}:{done}{comma}"
    found = [name for name in _values(ctx, key.lower(), last.lstrip('"')) if _is_text(name)]
    return [CompletionItem(head + (quoted(name) if _needs_quotes(name) else name)) for name in found]


def _needs_quotes(name: str) -> bool:
    """Whether a value would mean something else without quotes: it has a blank, a comma or a quote of any script."""
    return any(char.isspace() or char in ',"“”„«»「」『』＂〝' for char in name)  # noqa: RUF001


def file_names(start: str, *, folders: bool = False) -> list[CompletionItem]:
    """Suggest the names of files, or only of folders, that begin with `start`."""
    above, slash, name = start.rpartition("/")
    try:
        with os.scandir(os.path.expanduser(above + slash) or ".") as found:  # noqa: PTH111 - the client reads "~" so
            entries = sorted((entry.name, entry.is_dir()) for entry in found)
    except OSError:
        return []
    return [
        CompletionItem(above + slash + each + ("/" if is_folder else ""), type=PART if is_folder else "plain")
        for each, is_folder in entries
        if fold_name(each).startswith(fold_name(name))
        and (is_folder or not folders)
        and (name or not each.startswith("."))
        and _is_text(each)
    ][:_MOST]


def _values(ctx: click.Context, key: str, start: str) -> list[str]:
    match key:
        case "camera":
            known = _call(ctx, "library.names", kind="camera", prefix=start).get("names", ())
        case "in":
            known = _call(ctx, "library.names", kind="folder", prefix=start).get("names", ())
        case "root":
            known = [os.path.basename(root["path"]) for root in _call(ctx, "status").get("roots", ())]  # noqa: PTH119
        case "type":
            from phsearch.domain.formats import FORMATS  # noqa: PLC0415 - only here

            known = ["raw", *(kind.words[0] for kind in FORMATS)]
        case _:
            known = TERMS[key].values if key in TERMS else ()
    return [value for value in known if fold_name(value).startswith(fold_name(start))]


def _items(values: Iterable[str], start: str) -> list[CompletionItem]:
    begins = fold_name(start)
    return [CompletionItem(value) for value in values if fold_name(value).startswith(begins) and _is_text(value)]


def _is_text(name: str) -> bool:
    """Whether a shell can show and take it: a name with a newline would be two."""
    return not drives_terminal(name)


def _call(ctx: click.Context, method: str, **params: Any) -> dict[str, Any]:
    """Return the answer of the daemon; nothing if there is none at once."""
    given = ctx.params.get("socket") or ctx.find_root().params.get("socket")
    try:
        with Client(given, _SECONDS) as client:
            return dict(client.call(method, **params))
    except (PhsearchError, TypeError, ValueError):
        return {}
