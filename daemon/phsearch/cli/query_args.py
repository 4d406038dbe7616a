"""How the words of a command line become the one query that is sent.

The shell has taken the quotes away, so an argument with blanks in it is put into quotes again. What the query means is
the daemon's business: here nothing is understood but quotes, signs and colons.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

OPTIONS = {
    "like": "like",
    "date": "date",
    "after": "after",
    "before": "before",
    "under": "in",
    "camera": "camera",
    "type": "type",
    "near": "near",
    "orientation": "orientation",
    "size": "size",
}
"""Options that are terms of the query -> the key of the term."""

_LITERAL = {"like", "under"}  # whose value is a path: its commas part nothing

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_VALUE = rf'(?:{_QUOTED}|[^\s",]+)'
_TERM = re.compile(r"((?:[+-](?=[^\s+-]))?)((?:[A-Za-z]+:(?=\S)(?!//))?)(.*)", re.DOTALL)
_PHRASE = re.compile(rf"{_QUOTED}(?:\^\S*)?", re.DOTALL)
_VALUES = re.compile(rf"{_VALUE}(?:,{_VALUE})*", re.DOTALL)
_WEIGHTED = re.compile(r"(.*\S)(\^(?:\d+\.?\d*|\.\d+))", re.DOTALL)
_SEPARATOR = re.compile(r",(?!\s)")


def split(args: Sequence[str], known: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Tell options from the terms of the query, which may stand between them; gives options and terms.

    `known` says of each option, say "-n", whether it takes the next argument for its value. What begins with one dash
    is a term, unless it is one of these or such a one with a number ("-n5"); what begins with two is an option; after
    "--" everything is a term.
    """
    options: list[str] = []
    terms: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg == "--":
            terms += rest
        elif arg.startswith("--") or arg in known or (known.get(arg[:2]) and arg[2:].isdecimal()):
            options.append(arg)
            if known.get(arg) and (value := next(rest, None)) is not None:
                options.append(value)
        else:
            terms.append(arg)
    return options, terms


def query_of(terms: Iterable[str], exists: Callable[[str], bool]) -> str:
    """Write the query that `terms`, as the shell gave them, stand for.

    One argument alone is a whole query, unless the quotes of a phrase were lost on the way (-"people in suits"). Among
    several each is one term. The path of like: is quoted wherever such a file `exists`.
    """
    given = [term for term in terms if term.strip()]
    if len(given) == 1 and not _signed_words(given[0]) and not _names_file(given[0], exists):
        return _camera_quoted(given[0])
    return " ".join(_requoted(term, exists) for term in given)


def terms_of(options: Mapping[str, str | Iterable[str] | None]) -> list[str]:
    """Write the terms that the values of `OPTIONS` stand for; an option may be given several times, or not at all."""
    return [
        f"{key}:{quoted(value) if name in _LITERAL else _alternatives(value)}"
        for name, key in OPTIONS.items()
        for value in _each(options.get(name))
    ]


def quoted(text: str) -> str:
    """Put any text in quotes, as one value or phrase."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _requoted(term: str, exists: Callable[[str], bool]) -> str:
    sign, key, rest = _parts(term)
    if _names_file(term, exists):
        return f"{sign}{key}{quoted(rest)}"
    if term.split() == [term] or _PHRASE.fullmatch(rest):
        return term
    if key and key.lower() != "like:":
        return f"{sign}{key}{_alternatives(rest)}"
    weighted = _WEIGHTED.fullmatch(rest)
    text, weight = weighted.groups() if weighted else (rest, "")
    return f"{sign}{key}{quoted(text)}{weight}"


def _camera_quoted(query: str) -> str:
    """Put a camera's name at the beginning of a whole query in quotes again, as far as it goes: to its last number.

    camera:"Pixel 8" comes from the shell as camera:Pixel 8, which would be a Pixel and the text "8"; without a number
    in it (camera:canon beach) the name is one word.
    """
    sign, key, rest = _parts(query)
    words = rest.split()
    if key.lower() != "camera:" or '"' in rest:
        return query
    end = next((at for at, word in enumerate(words) if at and (word[0] in "+-" or _parts(word)[1])), len(words))
    numbered = [at for at, word in enumerate(words[:end]) if at and any(map(str.isdigit, word))]
    if not numbered:
        return query
    name, others = words[: numbered[-1] + 1], words[numbered[-1] + 1 :]
    return " ".join([f"{sign}{key}{_alternatives(' '.join(name))}", *others])


def _each(value: str | Iterable[str] | None) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value or ()


def _alternatives(text: str) -> str:
    if _VALUES.fullmatch(text):
        return text
    return ",".join(quoted(value) for value in _SEPARATOR.split(text))  # a comma before a blank belongs to a name


def _names_file(term: str, exists: Callable[[str], bool]) -> bool:
    _, key, rest = _parts(term)
    return key.lower() == "like:" and exists(rest)


def _signed_words(term: str) -> bool:
    """Tell whether a sign is followed by words, and by nothing that would be a term of its own."""
    *early, last = term.split()
    if not early or '"' in term or any("^" in word for word in early):
        return False
    sign, key, _ = _parts(term)
    return bool(sign and not key) and not any(word[0] in "+-" or _parts(word)[1] for word in (*early[1:], last))


def _parts(term: str) -> tuple[str, str, str]:
    found = _TERM.fullmatch(term)
    assert found is not None
    return found[1], found[2], found[3]
