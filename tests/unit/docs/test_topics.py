"""The topics of the manual: in step with the code, and fit for a terminal."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from docs import generate, topics
from phsearch import config
from phsearch.cli import exit_status
from phsearch.cli.render.manual import format_plain, format_topic, summary_of
from phsearch.cli.terminal import Console
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = sorted(generate.TOPICS.glob("*.md"))
EXAMPLE = (generate.PROJECT / "config.example.toml").read_text(encoding="utf-8")

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.stem)


def text_of(topic: str) -> str:
    return (generate.TOPICS / f"{topic}.md").read_text(encoding="utf-8")


def test_what_is_made_of_the_code_is_in_step_with_it() -> None:
    stale = [
        str(file.relative_to(generate.PROJECT))
        for file, text in generate.made_files().items()
        if file.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make manual`"


def test_a_change_of_the_code_is_noticed() -> None:
    before = text_of("settings")
    after = topics.render(before, EXAMPLE.replace("Whether to index files", "Whether to read files"))
    assert after != before
    assert "Whether to read files" in after


def test_every_key_of_the_settings_is_in_its_topic() -> None:
    text = text_of("settings")
    for field in dataclasses.fields(config.Config):
        value = getattr(config.Config(), field.name)
        section = dataclasses.is_dataclass(value)
        keys = [f"{field.name}.{key.name}" for key in dataclasses.fields(value)] if section else [field.name]
        assert [key for key in keys if f"- `{key}` = " not in text] == []


def test_every_method_is_in_the_topic_of_the_protocol() -> None:
    text = text_of("protocol")
    assert [name for name in METHODS if f"### {name}\n" not in text] == []


def test_the_exit_codes_are_those_of_the_programs() -> None:
    client, _, daemon = text_of("exit-codes").partition("\nphsearchd:")
    names = ("DONE", "FAILED", "USAGE", "UNREACHABLE", "NOT_READY", "INTERRUPTED", "PIPE_CLOSED")
    assert codes(client) == [getattr(exit_status, name) for name in names]
    assert codes(daemon) == [0, 1, 2, 78]


def codes(text: str) -> list[int]:
    cells = (line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|"))
    return [int(cell) for cell in cells if cell.isdecimal()]


def test_there_are_few_topics() -> None:
    assert len(TOPICS) <= 16


@each_topic
def test_a_topic_begins_with_its_title_and_one_short_sentence(topic: Path) -> None:
    text = topic.read_text(encoding="utf-8")
    assert text.startswith("# ")
    summary = summary_of(text)
    assert summary.endswith(".")
    assert len(summary) <= 63, "the list of topics has 80 columns"


@each_topic
def test_no_line_of_a_topic_is_wider_than_a_terminal(topic: Path) -> None:
    shown = format_topic(topic.read_text(encoding="utf-8"), Console(raw=None, terminal=True, width=200))  # type: ignore[arg-type]
    code = 4 * " "
    assert [line for line in shown.splitlines() if len(line) > (100 if line.startswith(code) else topics.WIDTH)] == []


@each_topic
def test_no_mark_of_markdown_reaches_a_terminal_and_no_word_is_lost(topic: Path) -> None:
    text = topic.read_text(encoding="utf-8")
    shown = format_topic(text, Console(raw=None, terminal=True, width=60))  # type: ignore[arg-type]
    assert "```" not in shown
    assert "](" not in shown
    assert "<!--" not in shown
    assert not any(mark in shown for mark in "\x01\x02\xa0")
    assert summary_of(text).removesuffix(".") in " ".join(shown.split())
    assert letters(shown) == letters(format_plain(text))


def letters(text: str) -> str:
    """Return the words of a topic, without marks, targets of links and names of languages."""
    without = re.sub(r"\]\((?!http)[^)]+\)", "]", text)
    return "".join(filter(str.isalnum, re.sub(r"^```\w*$", "", without, flags=re.MULTILINE)))


def test_headings_and_code_are_bold_where_there_are_styles() -> None:
    console = Console(raw=None, terminal=True, styled=True, width=80)  # type: ignore[arg-type]
    shown = format_topic("# Title\n\nText `code` and\n**more**.\n\n- one\n- two\n\n```sh\nls  *a*\n```\n", console)
    assert shown == "\x1b[1mTitle\x1b[m\n\nText \x1b[1mcode\x1b[m and \x1b[1mmore\x1b[m.\n\n- one\n- two\n\n    ls  *a*"


def test_a_key_without_a_comment_is_not_made_into_a_topic() -> None:
    with pytest.raises(KeyError, match=r"watch\.hidden"):
        topics.setting_list(EXAMPLE.replace("hidden = false", ""))
