"""`help`: shows the manual, whose topics are the files of `phsearch/manual`."""

from __future__ import annotations

import difflib
from importlib import resources
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from phsearch.cli import exit_status
from phsearch.cli.names import COMMANDS, PROGRAM
from phsearch.cli.render.manual import format_plain, format_topic, summary_of
from phsearch.cli.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

_SUFFIX = ".md"


def find_topics() -> Mapping[str, Traversable]:
    """Return the file of each topic, by name and in the order of names."""
    files = (resources.files("phsearch") / "manual").iterdir()
    found = {file.name.removesuffix(_SUFFIX): file for file in files if file.name.endswith(_SUFFIX)}
    return dict(sorted(found.items()))


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=summary_of(file.read_text(encoding="utf-8")))
        for name, file in find_topics().items()
        if name.startswith(incomplete)
    ]


@click.command(name="help", short_help="Show the manual: a topic, or the list of topics.")
@click.argument("topic", required=False, shell_complete=_complete)
@click.argument("words", nargs=-1)
def help(topic: str | None, words: tuple[str, ...]) -> int:  # noqa: A001 - commands are found by their names
    """Show a topic of the manual, or list the topics. A command's name shows the help of that command."""
    console, topics = Console.stdout(), find_topics()
    if topic is None:
        width = max(map(len, topics))
        lines = (f"{name:<{width}}  {summary_of(file.read_text(encoding='utf-8'))}" for name, file in topics.items())
        console.write("".join(f"{line}\n" for line in lines))
        if console.terminal:
            console.print_line(f"to read one: {PROGRAM} help {next(iter(topics))}", dim=True)
        return exit_status.DONE
    if topic in topics and not words:
        text = topics[topic].read_text(encoding="utf-8")
        click.echo_via_pager(format_topic(text, console) if console.terminal else format_plain(text))
        return exit_status.DONE
    if topic in COMMANDS and not words:
        return _show_command(topic)
    raise click.UsageError(_explain_unknown(topic, words, [*topics, *COMMANDS]))


def _show_command(name: str) -> int:
    root = click.get_current_context().find_root()
    assert isinstance(root.command, click.Group)
    command = root.command.get_command(root, name)
    assert command is not None
    with click.Context(command, info_name=name, parent=root) as context:
        click.echo(context.get_help())
    return exit_status.DONE


def _explain_unknown(topic: str, words: tuple[str, ...], known: list[str]) -> str:
    near = difflib.get_close_matches(topic, known, 1)
    remedy = f"Did you mean {near[0]}?" if near else f"`{PROGRAM} help` lists the topics."
    search = f"To search for these words: {PROGRAM} search {' '.join(('help', topic, *words))}"
    return f"There is no topic {topic}. {remedy} {search}" if not words else f"help takes one topic. {search}"
