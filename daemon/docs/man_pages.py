"""The man pages: the .rst files beside this module, with options and settings filled in, made into roff by docutils.

In a .rst file `@NAME@` on a line of its own stands for a made part: `@OPTIONS@`, `@COMMANDS@`, `@SETTINGS@`.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from docs import topics
from phsearch.cli.group import commands as client
from phsearch.cli.names import PROGRAM
from phsearch.daemon.main import commands as daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

MARK = '.\\" phsearch: made by `make manual`, do not edit\n'
"""The first line of a page, by which `phsearchd install` knows that a file is ours."""

_SOURCES = Path(__file__).parent
_PART = re.compile(r"^@(\w+)@\n", re.MULTILINE)
_PIECES = re.compile(r"(`[^`]+`|\*+)")


class Option(NamedTuple):
    """One option or command, as help shows it: "-n, --limit N" and a sentence."""

    form: str
    help: str


class Command(NamedTuple):
    """What a page says of one command; `name` is "" for the program itself."""

    name: str
    usage: str
    text: str
    options: list[Option]


def render(page: str, example: str) -> str:
    """Return the page "phsearch-client.1" or another one as roff. `example` is the text of config.example.toml."""
    source = (_SOURCES / f"{page}.rst").read_text(encoding="utf-8")
    program = _client() if page.startswith(PROGRAM) else _daemon()
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "OPTIONS": lambda: _options(program[0].options),
        "COMMANDS": lambda: _commands(program[1:]),
        "SETTINGS": lambda: _settings(example),
    }
    source = _PART.sub(lambda found: "\n".join(parts[found[1]]()) + "\n", source)
    from docutils.core import publish_string  # noqa: PLC0415 - a second, and not for the tables of the manual

    made = publish_string(
        source, writer="manpage", settings_overrides={"output_encoding": "unicode", "halt_level": 2, "datestamp": None}
    )
    return MARK + str(made).partition("\n")[2].replace(".SH Name\n", ".SH NAME\n")


def daemon_options(command: str) -> set[str]:
    """Return the options of phsearchd, with `command` "", or of one of its commands."""
    forms = " ".join(option.form for each in _daemon() if each.name == command for option in each.options)
    return set(re.findall(r"--[\w-]+", forms))


def _client() -> list[Command]:
    """Return phsearch-client and its commands."""
    return _program(client, PROGRAM, [name for param in client.params for name in param.opts])


def _daemon() -> list[Command]:
    """Return phsearchd and its commands."""
    return _program(daemon, "phsearchd")


def _program(group: click.Group, name: str, shared: Collection[str] = ()) -> list[Command]:
    with group.make_context(name, [], resilient_parsing=True) as context:
        return [_of_click(group, context), *_below(group, context, shared)]


def _below(group: click.Group, context: click.Context, shared: Collection[str]) -> Iterator[Command]:
    """Yield the commands of a group, and theirs. Options that all of them have, `shared`, are said once, above."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
            yield _of_click(command, inner, shared)
            if isinstance(command, click.Group):
                yield from _below(command, inner, shared)


def _of_click(command: click.Command, context: click.Context, left_out: Collection[str] = ()) -> Command:
    params = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    records = [param.get_help_record(context) for param in params if not set(left_out).intersection(param.opts)]
    name = context.command_path.partition(" ")[2]
    usage = " ".join(command.collect_usage_pieces(context)[1:])
    options = [Option(*record) for record in records if record and not record[0].endswith("--help")]
    return Command(name, usage, command.help or "", options)


def _commands(found: list[Command]) -> Iterator[str]:
    for command in found:
        yield f"**{command.name}** {_escaped(command.usage)}".strip()
        paragraphs = [_escaped(" ".join(part.split())) for part in _prose(command.text)]
        yield textwrap.indent("\n\n".join(paragraphs) + "\n", "  ")
        yield textwrap.indent("\n".join(_options(command.options)), "  ")


def _prose(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; examples, which click leaves as they are, stay in `--help`."""
    for paragraph in text.split("\n\n"):
        if not paragraph.lstrip().startswith("\b"):
            yield paragraph


def _options(found: list[Option]) -> Iterator[str]:
    for option in found:
        yield f"**{_escaped(option.form)}**"
        yield textwrap.indent(_escaped(" ".join(option.help.split())), "  ") + "\n"


def _settings(example: str) -> Iterator[str]:
    texts, section = topics.section_texts(example), None
    for each in topics.setting_list(example):
        if each.section != section and each.section:
            yield f"\n[{each.section}]\n{'~' * (len(each.section) + 2)}\n"
            if each.section in texts:
                yield _escaped(texts[each.section]) + "\n"
        section = each.section
        yield f"**{each.name}** = ``{each.default}``"
        yield f"  {_escaped(each.text)}\n"


def _escaped(text: str) -> str:
    """Return text of ours as reST: `code` in bold, and nothing else with a meaning."""
    pieces = []
    for piece in _PIECES.split(text):
        if piece.startswith("`"):
            pieces.append(f"**{_plain(piece[1:-1])}**")
        else:
            pieces.append(_plain(piece))
    return "".join(pieces)


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_|])", r"\\\1", text)
