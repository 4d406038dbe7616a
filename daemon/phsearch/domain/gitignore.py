"""Patterns with the meaning of .gitignore, for ignore rules and for folders in queries.

Every text is a pattern: one that git would never match matches nothing here, too, and `fault` says why. A pattern
becomes a regular expression that never goes back over what it has matched. `*` and `**` take the nearest place where
what follows them fits, which is enough, because between two of them stands text of a fixed length. So a match takes at
most as many steps as the lengths of pattern and path multiplied.

Neither case nor the form of accented letters counts. Unlike in git, `?` is a letter, not a byte, and `**` beside other
text in a component is `*` everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from phsearch.text import fold_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ANY = "[^/]"
_STAR = "*"
_FOLDERS = ["**"]
"""The component that stands for any number of folders."""
_PUNCT = r"!-\/:-@\[-`{-~"
_CLASSES = {
    "alnum": "a-z0-9", "alpha": "a-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~",
    "lower": "a-z", "print": " -~", "punct": _PUNCT, "space": r" \t\n\r", "upper": "a-z", "xdigit": "0-9a-f",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a .gitignore file."""

    line: str
    negated: bool
    folders_only: bool
    name_only: bool
    """Whether it is about the last component of a path, at any depth."""
    matches: Callable[[str], object]
    """Whether it matches a folded path, or its last component."""
    fault: str
    """What is wrong with it, as a clause; "" where nothing is."""

    @property
    def matches_nothing(self) -> bool:
        """Whether no path matches, whatever it is."""
        return self.matches is _never


def parse_line(line: str) -> Rule | None:
    """Return the rule in a line; None for a comment and for a line with nothing in it."""
    text = _without_end_blanks(line.removesuffix("\r"))
    if not text or text.startswith("#"):
        return None
    negated, text = text.startswith("!"), text.removeprefix("!")
    folders_only, text = text.endswith("/"), text.removesuffix("/")
    name_only = "/" not in text
    components, fault = _parse(fold_name(text).removeprefix("/"))
    regex = re.compile(_path_regex(components) + r"\Z") if components else None
    return Rule(
        line=line,
        negated=negated,
        folders_only=folders_only,
        name_only=name_only,
        matches=regex.match if regex else _never,
        fault=fault,
    )


def below_folder(pattern: str, *, anchored: bool) -> Callable[[str], bool]:
    """Return a test of a folded path: whether it matches, or a folder above it does.

    A pattern that is not anchored may begin at any folder.
    """
    components, _ = _parse(fold_name(pattern))
    if not components:
        return _never
    start = [] if anchored else [_FOLDERS]
    matches = re.compile(_path_regex([*start, *components]) + r"(?:/|\Z)").match
    return lambda path: matches(path) is not None


def _never(_: str) -> bool:
    return False


def _without_end_blanks(line: str) -> str:
    """Return a line without blanks at its end, unless a backslash keeps them."""
    stripped = line.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return line[: len(stripped) + 1] if backslashes % 2 else stripped


def _parse(text: str) -> tuple[list[list[str]], str]:
    """Return the components of a pattern, and what is wrong with it. Nothing matches where there are no components.

    A component has `_STAR`, or the regular expression of one character, for each of its characters.
    """
    components: list[list[str]] = [[]]
    fault, at = "", 0
    while at < len(text):
        match text[at]:
            case "\\" if at + 1 == len(text):
                return [], "the backslash at its end has nothing after it"
            case "[":
                item, end, problem = _bracket(text, at + 1)
                if not item:
                    return [], problem
                fault = fault or problem
            case "*":
                item, end = _STAR, at + 1
            case "?":
                item, end = _ANY, at + 1
            case char:
                end = at + (2 if char == "\\" else 1)
                item = re.escape(text[end - 1])
        at = end
        if item == "/":
            components.append([])
        else:
            components[-1].append(item)
    if not all(components):
        return [], "there is nothing to match" if components == [[]] else "it has two slashes side by side"
    return [_FOLDERS if len(each) > 1 and set(each) == {_STAR} else each for each in components], fault


def _bracket(text: str, at: int) -> tuple[str, int, str]:
    """Return the regular expression of the set that begins after "[", the place after it, and what is wrong with it.

    The expression is "" where no text can match. A "]" at the beginning is a member, as in a shell.
    """
    negated = text[at : at + 1] in ("!", "^")
    start = at = at + negated
    members, fault, low = [], "", ""
    while at == start or text[at : at + 1] != "]":
        if text.startswith("[:", at) and (end := text.find("]", at + 2)) > at + 2 and text[end - 1] == ":":
            if (members_of := _CLASSES.get(text[at + 2 : end - 1])) is None:
                return "", 0, f'there is no class "{text[at : end + 1]}"'
            members.append(members_of)
            low, at = "", end + 1
            continue
        is_range = low and text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]")
        at += bool(is_range)
        at += text[at : at + 1] == "\\"
        if not (char := text[at : at + 1]):
            return "", 0, 'its "[" is never closed'
        if not is_range:
            members.append(re.escape(char))
        elif low <= char:
            members.append(f"{re.escape(low)}-{re.escape(char)}")
        else:
            fault = fault or f'the range "{low}-{char}" is empty'
        low, at = "" if is_range else char, at + 1
    if negated:
        return f"[^/{''.join(members)}]", at + 1, fault
    return f"(?!/)[{''.join(members)}]" if members else "(?!)", at + 1, fault


def _path_regex(components: Sequence[list[str]]) -> str:
    """Return a regular expression of whole components; what may follow them is left to the caller."""
    runs = [[*run] for is_folders, run in groupby(components, lambda each: each is _FOLDERS) if not is_folders]
    regexes = ["/".join(map(_component_regex, run)) for run in runs]
    if components[-1] is _FOLDERS:
        regexes.append(r"(?s:.+)")
    elif components[0] is not _FOLDERS and len(regexes) == 1:
        return regexes[0]
    first = "" if components[0] is _FOLDERS else f"{regexes.pop(0)}/"
    *middle, last = regexes
    return first + "".join(f"(?>(?:{_ANY}++/)*?{each}/)" for each in middle) + f"(?:{_ANY}++/)*?{last}"


def _component_regex(items: Sequence[str]) -> str:
    """Return a regular expression of one component, up to its end."""
    parts = [""]
    for item in items:
        if item == _STAR:
            parts.append("")
        else:
            parts[-1] += item
    if len(parts) == 1:
        return parts[0]
    first, *middle, last = parts
    found = "".join(f"(?>{_ANY}*?{each})" for each in middle if each)
    return f"(?>{first}{found}{_ANY}*{last}(?!{_ANY}))" if last else f"{first}{found}{_ANY}*+"
