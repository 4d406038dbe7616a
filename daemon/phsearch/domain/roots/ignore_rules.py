"""Which names count as photos of the library.

A path is judged one component at a time, from the root downwards, as git judges .gitignore. What lies in an excluded
folder is excluded too, so that a scan need not list it. A scan has judged the folders already and asks only for the
last component (`allows_folder_name`, `allows_file_name`). For a path from an event or from the user all of it is judged
(`allows_folder_path`, `allows_file_path`, `why_not`).

All paths here are relative to their root, with "/" between the components; "" is the root itself, always allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from phsearch.domain.formats import PHOTO_SUFFIXES
from phsearch.domain.gitignore import parse_line
from phsearch.errors import ConfigError
from phsearch.text import fold_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NOT_PHOTOS = (
    # trash of NAS systems, Windows and desktops
    r"\#recycle/", "@Recycle/", "$RECYCLE.BIN/", "RECYCLER/", "RECYCLED/", ".trash*/", ".dtrash/",
    # snapshots: each would show every photo once more
    r"\#snapshot/", "@Recently-Snapshot/", "~snapshot/", ".snapshot/", ".snapshots/", ".zfs/", ".stversions/",
    # thumbnails and caches of NAS systems, photo programs and archives
    "@eaDir/", "@tmp/", "@__thumb/", ".@__thumb/", ".thumbnails/", "__MACOSX/", "*.tmp/", "*.lrdata/",
    "**/*.photoslibrary/resources/", "**/*.photoslibrary/private/", "**/*.photoslibrary/scopes/",
    "**/*.photolibrary/Thumbnails/", "**/*.photolibrary/Previews/", "**/*.aplibrary/Thumbnails/",
    "**/*.aplibrary/Previews/", "**/CaptureOne/Cache/", "**/*.cocatalog/Cache/",
    # what file systems keep for themselves
    "lost+found/", "System Volume Information/",
)  # fmt: skip
"""Folders that hold no photos of the owner's. The rules of `watch.ignore` come after them, so "!name/" includes one."""


IGNORE_REMEDY = 'write it as a line of a .gitignore file, and "\\[" for a bracket in a name'


@dataclass(frozen=True)
class IgnoreRules:
    """The user's ignore rules (in .gitignore syntax), hidden files, the smallest size, and the photo suffixes.

    Neither case nor the form of accented letters counts: a private folder stays out however its name is spelt. Every
    text is a rule; `faults` names those that mean nothing, or not what their author probably wants.
    """

    ignore: tuple[str, ...] = ()
    hidden: bool = False
    min_bytes: int = 0
    suffixes: frozenset[str] = PHOTO_SUFFIXES

    @cached_property
    def _folder_rules(self) -> RuleList:
        return RuleList(NOT_PHOTOS + self.ignore, folders=True)

    @cached_property
    def _file_rules(self) -> RuleList:
        return RuleList(self.ignore, folders=False)

    @cached_property
    def faults(self) -> Sequence[str]:
        """What is wrong with the rules of the user, one clause each."""
        rules = filter(None, map(parse_line, self.ignore))
        return tuple(f'the rule "{rule.line}" in "watch.ignore": {rule.fault}' for rule in rules if rule.fault)

    def check(self) -> None:
        """Raise ConfigError for the first rule that can match nothing."""
        for rule in filter(None, map(parse_line, self.ignore)):
            if rule.matches_nothing:
                raise ConfigError(f'bad ignore rule "{rule.line}" in "watch.ignore": {rule.fault}', IGNORE_REMEDY)

    def allows_folder_name(self, rel: str) -> bool:
        """Whether the last component of a folder is allowed; its parents are."""
        return not rel or self._folder_fault(rel) is None

    def allows_file_name(self, rel: str) -> bool:
        """Whether the last component of a file is allowed; its folders are."""
        # A scan asks this for every file: the cheap tests come first, and no reason is worded.
        name = rel.rpartition("/")[2]
        return (
            _suffix(name) in self.suffixes
            and (self.hidden or not name.startswith("."))
            and not self._file_rules.match(rel)
        )

    def allows_folder_path(self, rel: str) -> bool:
        """Whether a folder and all its parents are allowed."""
        return all(self.allows_folder_name(part) for part in _prefixes(rel))

    def allows_file_path(self, rel: str) -> bool:
        """Whether a file and all its folders are allowed."""
        return self.allows_file_name(rel) and self.allows_folder_path(rel.rpartition("/")[0])

    def allows_size(self, size: int) -> bool:
        """Whether a file of this size in bytes is allowed."""
        return size >= self.min_bytes

    def why_not(self, rel: str) -> str | None:
        """Return in one clause why the file `rel` is not a photo of the library; None where its name is allowed."""
        folder, _, name = rel.rpartition("/")
        for part in _prefixes(folder):
            fault = self._folder_fault(part)
            if fault is not None:
                return fault.replace("its name", f'its folder "{part.rpartition("/")[2]}"')
        if not self.hidden and name.startswith("."):
            return "hidden: its name starts with a dot"
        if rule := self._file_rules.match(rel):
            return _reason(rule)
        suffix = _suffix(name)
        if suffix not in self.suffixes:
            return f'not a photo by its suffix "{suffix}"' if suffix else "not a photo: its name has no suffix"
        return None

    def _folder_fault(self, rel: str) -> str | None:
        if not self.hidden and rel.rpartition("/")[2].startswith("."):
            return "hidden: its name starts with a dot"
        rule = self._folder_rules.match(rel)
        return None if rule is None else _reason(rule)


class RuleList:
    """Lines of a .gitignore file, compiled once, for folders or for files: the last that matches decides."""

    def __init__(self, lines: Iterable[str], *, folders: bool) -> None:
        rules = [rule for line in lines if (rule := parse_line(line)) and (folders or not rule.folders_only)]
        # Few rules are asked for every file of a scan: no attribute is looked up there.
        self._rules = [(rule.name_only, rule.matches, rule) for rule in reversed(rules)]

    def match(self, rel: str) -> str | None:
        """Return the line that leaves out a path, None where none does."""
        if not self._rules:
            return None
        path = fold_name(rel)
        name = path[path.rfind("/") + 1 :]
        for name_only, matches, rule in self._rules:
            if matches(name if name_only else path):
                return None if rule.negated else rule.line
        return None


def _reason(rule: str) -> str:
    """Return in one clause why this rule leaves something out."""
    if rule not in NOT_PHOTOS:
        return f'ignored by the rule "{rule}"'
    shown = rule.removeprefix("\\")
    return f'left out as trash, a snapshot or a cache, unless "!{shown}" is in watch.ignore'


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() if stem else ""


def _prefixes(rel: str) -> Iterator[str]:
    end = rel.find("/")
    while end != -1:
        yield rel[:end]
        end = rel.find("/", end + 1)
    if rel:
        yield rel
