"""Which names count as photos of the library.

A name is judged one component at a time, from the root downwards, as git judges .gitignore: what lies in a folder that
is not admitted is not admitted either, so a walk need not look into it. Whoever walks downwards has judged the folders
already and asks only for the last component (`keeps_folder`, `keeps_file`); whoever meets a path on its own, in an
event or in a question of the owner, asks for all of it (`admits_folder`, `admits_file`, `why_not`).

All paths here are relative to their root, with "/" between the components; "" is the root itself, always admitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from phsearch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PICTURES = (
    "jpg jpeg jpe jfif png apng webp tif tiff gif bmp dib avif avifs heic heif hif heics jxl jp2 j2k jpx"  # decoded
    " dng nef nrw cr2 cr3 crw arw srf sr2 raf orf rw2 rwl pef ptx srw x3f 3fr iiq mrw erf kdc dcr mos mef raw"  # RAW
)
PHOTO_SUFFIXES = frozenset(f".{suffix}" for suffix in _PICTURES.split())


@dataclass(frozen=True)
class IgnoreRules:
    """The owner's ignore rules (in .gitignore syntax), hidden files, the smallest size, and the photo suffixes.

    Raises ConfigError for an ignore rule that cannot be understood.
    """

    ignore: tuple[str, ...] = ()
    hidden: bool = False
    min_bytes: int = 0
    suffixes: frozenset[str] = PHOTO_SUFFIXES

    def __post_init__(self) -> None:
        for rule in self.ignore:
            try:
                _compile((rule,))
            except ValueError as error:
                remedy = "write it as a line of a .gitignore file"
                raise ConfigError(f'bad ignore rule "{rule}" in "watch.ignore": {error}', remedy) from None

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        return _compile(self.ignore)

    def allows_folder_name(self, rel: str) -> bool:
        """Judge the last component of a folder whose parents are admitted."""
        return not rel or self._folder_fault(rel) is None

    def allows_file_name(self, rel: str) -> bool:
        """Judge the last component of a file whose folders are admitted."""
        # A walk asks this for every file there is: the cheap questions come first and no reason is worded.
        name = rel.rpartition("/")[2]
        return (
            _suffix(name) in self.suffixes
            and (self.hidden or not name.startswith("."))
            and not self._spec.match_file(rel)
        )

    def allows_folder_path(self, rel: str) -> bool:
        """Judge a folder with all its parents."""
        return all(self.allows_folder_name(part) for part in _prefixes(rel))

    def allows_file_path(self, rel: str) -> bool:
        """Judge a file by its name and its folders'."""
        return self.allows_file_name(rel) and self.allows_folder_path(rel.rpartition("/")[0])

    def allows_size(self, size: int) -> bool:
        """Judge a file by its size in bytes."""
        return size >= self.min_bytes

    def why_not(self, rel: str) -> str | None:
        """Say in one clause why the file `rel` is not a photo of the library; None where its name is admitted."""
        folder, _, name = rel.rpartition("/")
        for part in _prefixes(folder):
            fault = self._folder_fault(part)
            if fault is not None:
                return fault.replace("its name", f'its folder "{part.rpartition("/")[2]}"')
        if not self.hidden and name.startswith("."):
            return "hidden: its name starts with a dot"
        rule = self._rule(rel)
        if rule is not None:
            return rule
        suffix = _suffix(name)
        if suffix not in self.suffixes:
            return f'not a photo by its suffix "{suffix}"' if suffix else "not a photo: its name has no suffix"
        return None

    def _folder_fault(self, rel: str) -> str | None:
        if not self.hidden and rel.rpartition("/")[2].startswith("."):
            return "hidden: its name starts with a dot"
        return self._rule(f"{rel}/")  # the slash tells pathspec that it is a folder

    def _rule(self, rel: str) -> str | None:
        verdict = self._spec.check_file(rel)
        if not verdict.include or verdict.index is None:
            return None
        return f'ignored by the rule "{self._rules[verdict.index]}"'

    @cached_property
    def _rules(self) -> list[str]:
        # pathspec counts only the lines that are rules: without blank lines and comments.
        return [rule for rule in self.ignore if _compile((rule,)).patterns]


def _compile(rules: tuple[str, ...]) -> GitIgnoreSpec:
    # "simple" is the backend in plain Python: others are taken when installed, and choke on names that are not UTF-8.
    return GitIgnoreSpec.from_lines(rules, backend="simple")


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
