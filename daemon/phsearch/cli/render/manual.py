"""A topic of the manual for a terminal: headings and code are bold, paragraphs fit, and the marks of Markdown go."""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from phsearch.cli.terminal import BOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.cli.terminal import Console

_WIDTH = 80  # longer lines are hard to read
_COMMENT = re.compile(r"<!--.*?-->\n+", re.DOTALL)
_BLOCK = re.compile(r"^```\w*\n(?P<code>[\s\S]*?)^```\n|^(?P<table>(?:\|.*\n)+)|^#+ (?P<heading>.*)\n", re.MULTILINE)
_ITEM = re.compile(r" *(?:- |\d+\. )")
_RULE = re.compile(r"\|[-| ]+\|")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_MARKED = re.compile(r"\*\*([^*]+)\*\*|(?<![\w*`])\*([^*\s`][^*`]*)\*(?![\w`])|`([^`]+)`")
_GAP, _LAST = "   ", 20  # between two columns; columns of text that the last one has at least
_ON, _OFF, _BLANK = "\x01", "\x02", "\xa0"  # they are replaced when the lines are wrapped
_UNBROKEN = 40  # characters of a command or key that stays on one line


def summary_of(topic: str) -> str:
    """Return the first sentence below a topic's title."""
    line = topic.split("\n", 3)[2].replace("`", "")
    return line.partition(". ")[0].rstrip(".") + "."


def format_plain(topic: str) -> str:
    """Return a topic as Markdown, without the comments that mark its made parts."""
    return _COMMENT.sub("", topic).rstrip("\n")


def format_topic(topic: str, console: Console) -> str:
    """Return a topic for the terminal."""
    width = min(console.width, _WIDTH)
    text = "\n".join(_blocks(format_plain(topic) + "\n", width)).rstrip("\n")
    on, off = (f"\x1b[{BOLD}m", "\x1b[m") if console.styled else ("", "")
    return text.replace(_ON, on).replace(_OFF, off).replace(_BLANK, " ")


def _blocks(text: str, width: int) -> Iterator[str]:
    at = 0
    for found in _BLOCK.finditer(text):
        yield from _paragraphs(text[at : found.start()], width)
        at = found.end()
        if found["code"]:
            yield textwrap.indent(found["code"], "    ")
        elif found["table"]:
            yield _table(found["table"], width)
        else:
            yield f"{_ON}{found['heading']}{_OFF}\n"
    yield from _paragraphs(text[at:], width)


def _table(text: str, width: int) -> str:
    """Return a table with its columns aligned, and the last one wrapped."""
    rows = [
        [cell.strip().replace("`", "") for cell in row.strip("|").split("|")]
        for row in text.splitlines()
        if not _RULE.fullmatch(row)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rest = sum(widths[:-1]) + len(_GAP) * len(widths)
    lines = []
    for row in rows:
        begin = "".join(_GAP + cell.ljust(room) for cell, room in zip(row[:-1], widths, strict=False)) + _GAP
        lines.append(
            textwrap.fill(row[-1], max(width, rest + _LAST), initial_indent=begin, subsequent_indent=" " * rest)
        )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _paragraphs(text: str, width: int) -> Iterator[str]:
    """Yield paragraphs, and the items of lists, each wrapped."""
    for paragraph in filter(None, text.strip("\n").split("\n\n")):
        starts = 0

        def number(line: str) -> int:
            nonlocal starts
            starts += _ITEM.match(line) is not None
            return starts

        items = ("\n".join(lines) for _, lines in groupby(paragraph.splitlines(), number))
        yield "\n".join(_wrapped(item, width) for item in items) + "\n"


def _wrapped(text: str, width: int) -> str:
    mark = found[0] if (found := _ITEM.match(text)) else ""
    text = _MARKED.sub(_bold, _LINK.sub(_link, " ".join(text.removeprefix(mark).split())))
    rest = " " * len(mark)
    return textwrap.fill(
        text, width, initial_indent=mark, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _bold(found: re.Match[str]) -> str:
    text = found[1] or found[2] or found[3]
    return f"{_ON}{text.replace(' ', _BLANK) if len(text) < _UNBROKEN else text}{_OFF}"


def _link(found: re.Match[str]) -> str:
    """Return a link into the web with its address; one to a topic, or into the sources, is its text."""
    text, target = found.groups()
    return f"{text} ({target})" if target.startswith("http") else text
