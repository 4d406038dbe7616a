"""The query language in the help, and the options that stand for terms of a query, such as --date for date:."""

from __future__ import annotations

import itertools
import shlex
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phsearch.cli.completion.suggestions import term_values
from phsearch.cli.program import PathName
from phsearch.cli.query_args import alternatives, path_value
from phsearch.wire.filters import LIKE, TERMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    _Command = TypeVar("_Command", bound=Callable[..., int])

OPTIONS = {term.option.name: (term.key, term.option) for term in TERMS.values() if term.option is not None}
"""Option -> the key of its term, and how it is described."""


def query_language() -> list[tuple[str, str]]:
    """Return the lines that explain the query language: examples, quoted for a shell, and what they mean."""
    lines = [
        ("dog on a beach -people", "what it shows, and what it does not"),
        ("snow +'\"red car\"^2'", "and this too, counted twice"),
    ]
    for meaning, terms in itertools.groupby(TERMS.values(), key=lambda term: term.meaning):
        lines.append((" ".join(shlex.quote(f"{term.key}:{term.example}") for term in terms), meaning))
    return [*lines, ("-type:raw,gif", "a filter with a minus: none of these")]


def query_options(command: _Command) -> _Command:
    """Add the options to a command."""
    for name, (key, option) in reversed(OPTIONS.items()):
        # The shell knows more about paths than we do.
        completion: dict[str, Any] = (
            {"type": PathName(folder=key != LIKE.key)} if option.is_path else {"shell_complete": term_values(key)}
        )
        add = click.option(f"--{name}", name, multiple=True, metavar=option.metavar, help=option.help, **completion)
        command = add(command)
    return command


def terms_of(values: Mapping[str, str | Iterable[str] | None]) -> list[str]:
    """Return the terms that the values of options stand for; an option has any number of values, or None."""
    return [
        f"{key}:{path_value(key, value) if option.is_path else alternatives(value)}"
        for name, (key, option) in OPTIONS.items()
        for value in _each(values.get(name))
    ]


def _each(value: str | Iterable[str] | None) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value or ()
