"""Completion in bash, zsh and fish.

click's own scripts split a word at a colon, put a space after "camera:", and lose the "--name=" before a value. These
get the line up to the cursor, and split it here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from phsearch.cli.completion.suggestions import file_names
from phsearch.cli.names import DAEMON, PROGRAM, completion_variable

if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS = ("bash", "zsh", "fish")
_FILES = ("file", "dir")
_NO_HELP = "_"

_BASH = """\
%(function)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            part) compopt -o nospace; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS=${COMP_LINE:0:COMP_POINT} COMP_WORDBREAKS=$COMP_WORDBREAKS %(variable)s=bash_complete \\
        "$1" 2> /dev/null)
}
complete -o nosort -F %(function)s %(program)s
"""

_ZSH = """\
%(function)s() {
    local kind value descr
    local -a whole whole_shown parts parts_shown
    for kind value descr in "${(@f)$(COMP_WORDS=${(j: :)words[1,CURRENT]} %(variable)s=zsh_complete \\
        $words[1] 2> /dev/null)}"; do
        [[ $descr == _ ]] && descr= || descr="  -- $descr"
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            part) parts+=("$value"); parts_shown+=("$value$descr") ;;
            plain) whole+=("$value"); whole_shown+=("$value$descr") ;;
        esac
    done
    (( $#parts )) && compadd -U -V phsearch -S '' -d parts_shown -a parts
    (( $#whole )) && compadd -U -V phsearch -d whole_shown -a whole
}
compdef %(function)s %(program)s
"""

_FISH = """\
function %(function)s
    set -l words (commandline -cp | string collect --allow-empty)
    for item in (env %(variable)s=fish_complete COMP_WORDS=$words %(program)s 2> /dev/null)
        set -l parts (string split -m 1 , -- $item)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case '*'
                echo $parts[2]
        end
    end
end
complete --no-files --command %(program)s --arguments "(%(function)s)"
"""


def script(shell: str) -> str:
    """Return the script that completes both programs in a shell of SHELLS."""
    template = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]
    programs = (
        {
            "program": program,
            "function": f"_{program.replace('-', '_')}_completion",
            "variable": completion_variable(program),
        }
        for program in (PROGRAM, DAEMON)
    )
    return "\n".join(template % values for values in programs)


class LastWord(NamedTuple):
    """The word at the cursor, without quotes. The shell replaces what begins at `start`; `quote` is still open."""

    text: str = ""
    start: int = 0
    quote: str = ""


def split_line(line: str, breaks: str = "") -> tuple[list[str], LastWord]:
    """Return the words before the one at the end of `line`, and that one. bash also begins a word at its `breaks`."""
    words: list[str] = []
    text, start, quote, inside = "", 0, "", False
    chars = iter(line)
    for char in chars:
        if quote:
            if char == quote:
                quote, start = "", len(text)
            else:
                text += next(chars, "") if char == "\\" and quote == '"' else char
        elif char in "'\"":
            quote, inside, start = char, True, len(text)
        elif char.isspace():
            if inside:
                words.append(text)
            text, start, inside = "", 0, False
        else:
            inside = True
            text += next(chars, "") if char == "\\" else char
            start = len(text) if char in breaks else start
    return words, LastWord(text, start, quote)


class _LineComplete(ShellComplete):
    """Reads the line up to the cursor from COMP_WORDS."""

    last = LastWord()

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words after the name of the program, and the one to complete."""
        words, self.last = split_line(os.environ.get("COMP_WORDS", ""), os.environ.get("COMP_WORDBREAKS", ""))
        return words[1:], self.last.text

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return the suggestions, as words that begin as the one to complete does."""
        name, equals, value = incomplete.partition("=")
        if not (equals and name.startswith("--")):
            return super().get_completions(args, incomplete)
        found = super().get_completions([*args, name], value)
        if found and found[0].type in _FILES:
            found = file_names(value, folders=found[0].type == "dir")
        return [CompletionItem(f"{name}={item.value}", item.type, item.help) for item in found]


class BashLineComplete(_LineComplete, BashComplete):
    """bash gets only what it replaces, in quotes if need be."""

    source_template: ClassVar[str] = _BASH

    def format_completion(self, item: CompletionItem) -> str:
        """Return the line for one suggestion."""
        value = str(item.value)[self.last.start :]
        if not self.last.quote and re.search(r"[^\w@%+=:,./~-]", value):
            value = "'" + value.replace("'", "'\\''") + ("" if item.type == "part" else "'")
        return f"{item.type},{value}"


class ZshLineComplete(_LineComplete, ZshComplete):
    """zsh replaces the whole word, and quotes it."""

    source_template: ClassVar[str] = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        """Return three lines for one suggestion."""
        return f"{item.type}\n{item.value}\n{item.help or _NO_HELP}"


class FishLineComplete(_LineComplete, FishComplete):
    """fish replaces the whole word, and quotes it. It puts no space after a colon or a slash."""

    source_template: ClassVar[str] = _FISH


OURS: tuple[type[ShellComplete], ...] = (BashLineComplete, ZshLineComplete, FishLineComplete)


def use_our_shells(add: Callable[[type[ShellComplete]], object]) -> None:
    """Register these classes with click's `add_completion_class`."""
    for shell in OURS:
        add(shell)
