"""Makes one query of the arguments of a command line.

The shell has removed the quotes, so an argument with blanks in it is put into quotes again. The daemon parses the
query: here only quotes, signs and colons count.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phsearch.text import COLONS, MINUSES, PLUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_VALUE = rf'(?:{_QUOTED}|[^\s",]+)'
_SIGN = f"+{PLUSES}{MINUSES}-"
_TERM = re.compile(
    rf"((?:[{_SIGN}](?=[^\s{_SIGN}]))?)((?:[A-Za-zＡ-Ｚａ-ｚ]+[:{COLONS}](?=\S)(?!//))?)(.*)",  # noqa: RUF001
    re.DOTALL,
)
_PHRASE = re.compile(rf"{_QUOTED}(?:\^\S*)?", re.DOTALL)
_VALUES = re.compile(rf"{_VALUE}(?:,{_VALUE})*", re.DOTALL)
_WEIGHTED = re.compile(r"(.*\S)(\^(?:\d+\.?\d*|\.\d+))", re.DOTALL)
_GLOB = re.compile(r"[^\s,\"“”„«»*?]*[*?][^\s,\"“”„«»]*")
_SEPARATOR = re.compile(r",(?!\s)")


def split(args: Sequence[str], known: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Return the options and the terms of the query, which may stand between them.

    `known` maps each option, such as "-n", to whether it takes the next argument as its value. An argument that begins
    with one dash is a term, unless it is a known option, or one with a number ("-n5"). An argument that begins with two
    dashes is an option. After "--" everything is a term.
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
    """Return the query that `terms`, as the shell passed them, stand for.

    A single argument is a whole query, unless it lost the quotes of a phrase (-"people in suits"). Of several
    arguments each is one term. The path of like: is quoted if such a file `exists`.
    """
    given = [term for term in terms if term.strip()]
    if len(given) == 1 and not _signed_words(given[0]) and not _names_file(given[0], exists):
        return _camera_quoted(given[0])
    return " ".join(_requoted(term, exists) for term in given)


def quoted(text: str) -> str:
    """Return any text in quotes, as one value or phrase."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def alternatives(text: str) -> str:
    """Return `text` as the values of a filter, in quotes where they need them; commas separate values."""
    if _VALUES.fullmatch(text):
        return text
    return ",".join(quoted(value) for value in _SEPARATOR.split(text))  # a comma before a blank belongs to a name


def path_value(key: str, path: str) -> str:
    """Return a path as the value of a key: in quotes, unless it is a glob for folders that needs none."""
    return path if key == "in" and _GLOB.fullmatch(path) else quoted(path)


def _requoted(term: str, exists: Callable[[str], bool]) -> str:
    sign, key, rest = _parts(term)
    if _names_file(term, exists):
        return f"{sign}{key}{quoted(rest)}"
    if term.split() == [term] or _PHRASE.fullmatch(rest):
        return term
    if key and key.lower() != "like:":
        return f"{sign}{key}{alternatives(rest)}"
    weighted = _WEIGHTED.fullmatch(rest)
    text, weight = weighted.groups() if weighted else (rest, "")
    return f"{sign}{key}{quoted(text)}{weight}"


def _camera_quoted(query: str) -> str:
    """Return a whole query with the camera's name at its beginning in quotes again.

    The shell passes camera:"Pixel 8" as camera:Pixel 8, which would be the camera Pixel and the text "8". The name ends
    with its last number; without a number (camera:canon beach) it is one word.
    """
    sign, key, rest = _parts(query)
    words = rest.split()
    if key.lower() != "camera:" or '"' in rest:
        return query
    end = next((at for at, word in enumerate(words) if at and (word[0] in _SIGN or _parts(word)[1])), len(words))
    numbered = [at for at, word in enumerate(words[:end]) if at and any(map(str.isdigit, word))]
    if not numbered:
        return query
    name, others = words[: numbered[-1] + 1], words[numbered[-1] + 1 :]
    return " ".join([f"{sign}{key}{alternatives(' '.join(name))}", *others])


def _names_file(term: str, exists: Callable[[str], bool]) -> bool:
    _, key, rest = _parts(term)
    return key.lower() == "like:" and exists(rest)


def _signed_words(term: str) -> bool:
    """Whether a sign is followed by words, and by nothing that would be a separate term."""
    *early, last = term.split()
    if not early or '"' in term or any("^" in word for word in early):
        return False
    sign, key, _ = _parts(term)
    return bool(sign and not key) and not any(word[0] in _SIGN or _parts(word)[1] for word in (*early[1:], last))


def _parts(term: str) -> tuple[str, str, str]:
    """Return the sign, the key and the rest of a term. A wide key counts if it is known: a text may have a colon."""
    match = _TERM.fullmatch(term)
    assert match is not None
    sign, key, rest = match.groups()
    if key.isascii():
        return sign, key, rest
    known = _known_key(key)
    return (sign, known, rest) if known else (sign, "", key + rest)


def _known_key(key: str) -> str:
    """Return a key in plain letters, "" for one that no filter has."""
    import unicodedata  # noqa: PLC0415 - rarely needed

    from phsearch.wire.filters import TERMS  # noqa: PLC0415 - its dataclasses would cost every query

    name = unicodedata.normalize("NFKC", key)[:-1].lower()
    return f"{name}:" if name in TERMS else ""
