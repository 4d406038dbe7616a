"""README, manual and CONTRIBUTING are short, complete, and right about the programs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from docs.man_pages import daemon_options
from phsearch.cli.group import commands, insert_search
from phsearch.cli.names import COMMANDS

PROJECT = Path(__file__).parents[3]
README = PROJECT / "README.md"
TOPICS = sorted((PROJECT / "daemon" / "phsearch" / "manual").glob("*.md"))
PAGES = [README, PROJECT / "CONTRIBUTING.md", PROJECT / "daemon" / "README.md", *TOPICS]

_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(phsearch(?:d|-client)\s[^`]+)`")
_PIPE = re.compile(r"\s(?:\||&&|\|\||&)(?:\s|$)")
_PROGRAM = re.compile(r"phsearch(d|-client)\b")
_CONTINUED = re.compile(r"\\?\n +")


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.read_bytes()) <= 9 * 1024


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), target


def test_the_readme_leads_to_every_topic() -> None:
    text = README.read_text(encoding="utf-8")
    assert [topic.name for topic in TOPICS if f"manual/{topic.name})" not in text] == []


def test_every_command_is_in_the_readmes_table() -> None:
    text = README.read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    first_columns = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([a-z-]+)", first_columns)) == set(COMMANDS)


def shown_commands(page: Path) -> list[str]:
    """Return the command lines of a page's code blocks that call one of the programs."""
    text = page.read_text(encoding="utf-8")
    blocks = (code for language, code in _CODE.findall(text) if language != "json")
    lines = (line for block in blocks for line in _CONTINUED.sub(" ", block).splitlines())
    called = (_PIPE.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ "))
    parts = [part.strip() for parts in called for part in parts]
    return [part for part in parts if _PROGRAM.match(part)] + _INLINE.findall(text)


SHOWN = [(page.name, line) for page in PAGES for line in shown_commands(page)]


def test_the_pages_show_commands() -> None:
    assert len(SHOWN) > 40


@pytest.mark.parametrize(("page", "line"), SHOWN, ids=[f"{page}: {line}" for page, line in SHOWN])
def test_every_option_that_a_page_shows_exists(page: str, line: str) -> None:
    program, *args = shlex.split(line, comments=True)
    given = [arg.partition("=")[0] for arg in args if arg.startswith("--")]
    if program == "phsearchd":
        assert set(given) <= daemon_options(args[0] if args and not args[0].startswith("-") else ""), page
        return
    assert set(given) <= client_options(program, insert_search(args)), page


def client_options(program: str, words: list[str]) -> set[str]:
    """Return the options that a command line of the client may have."""
    root = commands.make_context(program, [], resilient_parsing=True)
    command: click.Command = commands
    known = {name for param in commands.get_params(root) for name in param.opts}
    while words and words[0].startswith("--"):
        words = words[1 if "=" in words[0] else 2 :]
    while isinstance(command, click.Group) and words and (below := command.get_command(root, words[0])) is not None:
        command, words = below, words[1:]
        known |= {name for param in command.params for name in param.opts}
    return known


@pytest.mark.parametrize(
    "page", [PROJECT / "CONTRIBUTING.md", PROJECT / "daemon" / "README.md"], ids=lambda page: page.name
)
def test_every_file_that_a_page_for_contributors_names_exists(page: Path) -> None:
    package = PROJECT / "daemon" / "phsearch"
    rooms = [PROJECT, package.parent, package, *(folder for folder in package.rglob("*") if folder.is_dir())]
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    named = re.findall(r"`((?:\w+/)+|(?:\w+/)*\w+\.\w+|(?:\w+/)+\w+)`", text)
    files = [name for name in named if "/" in name or name.endswith((".py", ".toml"))]
    assert len(files) > 10
    assert [name for name in files if not any(list(room.glob(f"{name}*")) for room in rooms)] == []
