"""Ignore rules against git itself: generated .gitignore files, judged by `git check-ignore`.

Left out is where git contradicts its manual: two slashes side by side, an escaped slash, capitals, and `**` after
other text, as in `a**/b`, which git takes for `a` and then any folders.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from phsearch.domain.roots.ignore_rules import RuleList

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

_CASES = 400
_FOLDERS: tuple[str, ...] = (
    "a",
    "b",
    "a/b",
    "a/b/a",
    "a/ab",
    "ab",
    "ab/a",
    "b/b",
    "b/b/b",
    "-",
    "[a]",
    "[a]/b",
    "a-b",
    "a/b/a/b",
)
_NAMES: tuple[str, ...] = (
    "a",
    "b",
    "c",
    "ab",
    "ba",
    "aab",
    "abb",
    "a.b",
    "-",
    "]",
    "[",
    "[a]",
    "[a",
    "\\",
    "*",
    "?",
    "!",
    "!a",
    "#a",
)
_NAMES += ("^", "a b", "a ", " ", "1", "a-b", "x]", "\\a", ":", "a]", "A", "aB", "[A]", "z1", "b-", "\t", "{a,b}")
_PIECES: tuple[str, ...] = (
    "a",
    "b",
    "a",
    "b",
    "ab",
    "/",
    "/",
    "*",
    "*",
    "**",
    "/**/",
    "**/",
    "/**",
    "?",
    "\\",
    "[",
    "]",
    "[a]",
)
_PIECES += ("[!a]", "[^b]", "[a-b]", "[b-a]", "[]a]", "[!]a]", "[a-]", "[-a]", "[--0]", "[a", "[[:alpha:]]", "-")
_PIECES += ("[[:digit:]1]", "[![:punct:]]", "[[:nope:]]", "[[:upper:]]", "[a-\\]]", "[\\", "[\\a-\\b]", "[a/b]", "!")
_PIECES += ("#", " ", "\\ ", "\\!", "\\#", "1", ".", "^", ":", "[[:]", "[[::]", "{", ",", "+", "(", "$", "[A-B]")
_NOT_COMPARED = re.compile(r"//|\\/|[^/!]\*\*+(/|$)|^/?!?/?$")


def test_generated_rules_mean_what_they_mean_to_git(tmp_path: Path) -> None:
    random_ = random.Random(20240101)
    files = [[_line(random_) for _ in range(random_.choice((1, 1, 1, 2, 4)))] for _ in range(_CASES)]
    for number, lines in enumerate(files):
        for folder in _FOLDERS:
            (tmp_path / str(number) / folder).mkdir(parents=True)
        (tmp_path / str(number) / ".gitignore").write_bytes("\n".join(lines).encode())
    paths = [*_FOLDERS, *_NAMES, *(f"{folder}/{name}" for folder in _FOLDERS for name in _NAMES)]
    paths = list(dict.fromkeys(paths))
    ignored = _ignored_by_git(tmp_path, [f"{number}/{path}" for number in range(_CASES) for path in paths])
    differences = []
    for number, lines in enumerate(files):
        folder_rules, file_rules = RuleList(lines, folders=True), RuleList(lines, folders=False)
        for path in paths:
            ours = _is_ignored(path, folder_rules, file_rules)
            if ours != (f"{number}/{path}" in ignored):
                differences.append((lines, path, ours))
    assert not differences, (len(differences), differences[:20])
    assert len(ignored) > _CASES * len(paths) / 20


def _line(random_: random.Random) -> str:
    while True:
        line = random_.choice(("", "", "!", "/")) + "".join(random_.choices(_PIECES, k=random_.randint(1, 7)))
        if not _NOT_COMPARED.search(line.replace("\\\\", "")):
            return line


def _is_ignored(path: str, folder_rules: RuleList, file_rules: RuleList) -> bool:
    *parents, _ = (path[: match.start()] for match in re.finditer("/|$", path))
    rules = folder_rules if path in _FOLDERS else file_rules
    return any(map(folder_rules.match, parents)) or rules.match(path) is not None


def _ignored_by_git(folder: Path, paths: list[str]) -> set[str]:
    env = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    subprocess.run(["git", "init", "-q", str(folder)], env=env, check=True)
    command = ["git", "-C", str(folder), "-c", "core.ignoreCase=true", "check-ignore", "--no-index", "--stdin", "-z"]
    answer = subprocess.run(command, env=env, input="\0".join(paths).encode(), capture_output=True, check=False)
    assert answer.returncode in (0, 1), answer.stderr
    return set(answer.stdout.decode().split("\0"))
