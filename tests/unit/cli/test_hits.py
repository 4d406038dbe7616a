r"""What is printed of hits and beside them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli.render.hits import compile_template, format_hits
from phsearch.cli.render.notes import caret_line, describe_query, near_command, print_notes
from phsearch.cli.terminal import Console
from phsearch.wire.results.search import Hit, SearchResult, UnderstoodQuery

HIT: dict[str, Any] = {
    "path": "/p/a b.jpg",
    "score": 0.4912,
    "relevance": 0.934,
    "band": "strong",
    "share": 0.973,
    "more": 7,
    "root": "/p",
    "taken_at": "2023-06-01T10:00:00",
    "width": 40,
    "height": 30,
    "format": "JPEG",
    "camera": None,
    "offline": False,
}
WEAK = HIT | {"path": "/p/weak.jpg", "score": 0.2, "relevance": 0.17, "band": "weak", "more": 0, "taken_at": None}
LISTED = HIT | {"score": 0.0, "relevance": None, "band": None, "share": None, "more": 0}


def console(width: int = 80, *, styled: bool = False) -> Console:
    return Console(io.BytesIO(), terminal=True, width=width, styled=styled)


def table(*hits: dict[str, Any], width: int = 80, styled: bool = False, **options: bool) -> str:
    on = console(width, styled=styled)
    shown = format_hits([Hit.parse_json(hit) for hit in hits], "table", on, **options)
    return shown if isinstance(shown, str) else shown.decode()


def written_as(template: str, *, terminal: bool = False, **changes: Any) -> str | bytes:
    to = console() if terminal else Console(io.BytesIO())
    return format_hits([Hit.parse_json(HIT | changes)], compile_template(template), to)


# --- the table --------------------------------------------------------------------------------------------------------


def test_a_table_shows_band_relevance_score_date_and_how_many_more() -> None:
    assert table(HIT, WEAK) == (
        "MATCH   SURE  COSINE  TAKEN       MORE  PHOTO\n"
        "strong  93%   0.491   2023-06-01  +7    '/p/a b.jpg'\n"
        "weak    17%   0.200                     /p/weak.jpg\n"
    )


def test_bands_have_colours_and_the_rest_is_dim() -> None:
    heading, line = table(HIT, styled=True).splitlines()
    assert heading == "\x1b[2mMATCH   SURE  COSINE  TAKEN       MORE  \x1b[m\x1b[2mPHOTO\x1b[m"
    assert line == "\x1b[32mstrong  93%   \x1b[m\x1b[2m0.491   2023-06-01  +7    \x1b[m'/p/a b.jpg'"


def test_softmax_shares_replace_the_scores() -> None:
    assert "97.3%" in table(HIT, shares=True)
    assert "SHARE" in table(HIT, shares=True)
    assert "0.491" not in table(HIT, shares=True)


def test_a_list_by_date_has_no_scores() -> None:
    assert table(LISTED) == "TAKEN       PHOTO\n2023-06-01  '/p/a b.jpg'\n"


def test_an_older_daemon_that_knows_no_relevance_gets_its_scores_shown() -> None:
    old = {name: HIT[name] for name in ("path", "score", "root", "taken_at", "width", "height", "format", "offline")}
    assert table(old) == "COSINE  TAKEN       PHOTO\n0.491   2023-06-01  '/p/a b.jpg'\n"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_only_a_path_makes_a_line_wider_than_the_terminal_and_it_is_whole(width: int) -> None:
    long = HIT | {"path": "/p/" + "x" * 300}
    lines = table(long, WEAK, width=width).splitlines()
    assert lines[1].endswith(long["path"])
    for line, path in zip(lines, ["PHOTO", long["path"], "/p/weak.jpg"], strict=True):
        assert len(line) - len(path) <= width


def test_no_hits_have_no_headings_and_a_list_that_goes_on_has_none() -> None:
    assert table() == ""
    assert table(LISTED, headings=False) == "2023-06-01  '/p/a b.jpg'\n"


# --- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{path}", b"/p/a b.jpg\n"),
        (r"{score}\t{band}\n", b"0.4912\tstrong\n"),
        (r"{path}\0", b"/p/a b.jpg\0"),
        ("{{{name}}} {folder}", b"{a b.jpg} /p\n"),
        (r"\\{camera}|{offline}", b"\\|false\n"),
        ("plain", b"plain\n"),
        (r"100% \x", b"100% \\x\n"),
    ],
)
def test_a_format_writes_fields_and_escapes(template: str, written: bytes) -> None:
    assert written_as(template) == written


def test_a_name_cannot_forge_a_line_of_a_format() -> None:
    assert written_as("{path}", path="/p/a\nb\t\udcff") == b"/p/a\\nb\\t\xff\n"


def test_a_format_escapes_names_on_a_terminal_and_nothing_of_the_owners_own() -> None:
    shown = written_as("\x1b[1m{path}\x1b[m", terminal=True, path="/p/a\x1b[2J\n\x9b\u202e\udcff\\.jpg")
    assert shown == "\x1b[1m" + r"/p/a\x1b[2J\n\x9b\u202e\xff\\.jpg" + "\x1b[m\n"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{pth}", 'did you mean "{path}"?'),
        ("{}", "there are path, score"),
        ("{path", 'a "{" without its other half'),
        ("path}", 'a "}" without its other half'),
        ("{path.__class__}", "without its other half"),
        ("{path!r}", "without its other half"),
    ],
)
def test_a_bad_format_is_explained(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"field|half") as caught:
        compile_template(template)
    assert said in str(caught.value)


@given(st.text())
def test_any_format_writes_bytes_or_is_explained(template: str) -> None:
    with contextlib.suppress(ValueError):  # a UnicodeEncodeError is one, too
        assert isinstance(written_as(template), bytes)


# --- places -----------------------------------------------------------------------------------------------------------


def test_a_mistake_has_carets_under_it() -> None:
    assert caret_line("beach date:2023-13", (11, 18), console()) == "    beach date:2023-13\n               ^^^^^^^\n"


def test_wide_characters_take_two_columns_and_odd_ones_are_escaped() -> None:
    assert caret_line("富士 in:x", (3, 7), console()) == "    富士 in:x\n         ^^^^\n"
    assert caret_line("\x1b[m in:x", (4, 8), console()).startswith("    \\x1b[m in:x\n")


def test_a_long_query_is_shown_around_the_mistake() -> None:
    line, carets = caret_line("word " * 100 + "date:x", (505, 506), console(60)).splitlines()
    assert len(line) <= 60
    assert line[carets.index("^")] == "x"


@given(st.text(max_size=300), st.integers(-5, 400), st.integers(-5, 400))
def test_both_lines_fit_wherever_the_mistake_is(query: str, start: int, end: int) -> None:
    line, carets = caret_line(query, (start, end), console(50)).rstrip("\n").split("\n")
    assert len(carets) <= 50
    assert set(carets) <= {" ", "^"}
    assert line.startswith("    ")


# --- remarks ----------------------------------------------------------------------------------------------------------

ANSWER: dict[str, Any] = {
    "hits": [HIT], "photos": 12345, "matching": 12345, "hidden": 3, "closest": 0.1, "pending": 0, "took_ms": 14.2,
    "understood": {"aims": [{"text": "beach", "weight": 1}], "filters": []},
}  # fmt: skip


FILTERED = {"understood": {"aims": [], "filters": [{"key": "when", "value": "1990", "negated": False}]}}


def said(answer: dict[str, Any], query: str = "a giraffe", *, nearest: bool = False) -> str:
    notes = console()
    print_notes(query, SearchResult.parse_json(answer), notes, nearest=nearest)
    raw = notes._raw
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def test_time_library_and_hidden_photos_are_in_one_line() -> None:
    assert said(ANSWER) == "1 photo in 14 ms, of 12,345; 12,334 more with --limit; 3 less probable ones with --all\n"
    few = ANSWER | {"matching": 8, "hidden": 0, "pending": 2} | FILTERED
    assert (
        said(few) == "when: 1990\n1 photo in 14 ms, of 12,345 (8 pass the filters); 2 photos are still being indexed\n"
    )


def test_an_answer_without_relevant_hits_is_explained() -> None:
    nothing = ANSWER | {"hits": [], "hidden": 12345}
    assert said(nothing) == 'no photo of "a giraffe": the closest ones are shown with --all\n'
    assert said(nothing, nearest=True) == 'no photo surely shows "a giraffe"; the nearest of 12,345:\n'
    none_passes = ANSWER | {"hits": [], "matching": 0, "hidden": 0, "closest": None} | FILTERED
    assert said(none_passes, "date:1990") == "when: 1990\nno photo passes the filters of date:1990: leave one out\n"
    empty = ANSWER | {"hits": [], "photos": 0}
    assert said(empty).startswith("no photo is indexed yet")


def test_remarks_on_words_are_sentences() -> None:
    misspelt = ANSWER | {"did_you_mean": "snowy mountain"}
    assert 'did you mean "snowy mountain"?\n' in said(misspelt, "snowy moutain")
    foreign = said(ANSWER | {"language": "German"}, "Fahrrad")
    assert foreign.startswith('"Fahrrad" seems to be German, and the model understands English only: ask in English, ')
    assert "`phsearch-client model use multilingual`" in foreign


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("stauts", "status"),
        ("statu", "status"),
        ("statuss", "status"),
        ("ststus", "status"),
        ("dcotor", "doctor"),
        ("album", "albums"),
        ("status", None),
        ("dog", None),
        ("beach", None),
        ("", None),
        ("stauts please", None),
    ],
)
def test_a_mistyped_command_is_recognised(word: str, command: str | None) -> None:
    assert near_command(word) == command


def test_a_mistyped_command_is_said_where_it_is_no_word_or_found_nothing() -> None:
    remark = "stauts is no command, so it was searched for: did you mean `phsearch-client status`?\n"
    assert remark in said(ANSWER, "stauts")
    assert "no command" not in said(ANSWER, "match"), "photos of matches were found"
    assert "phsearch-client watch" in said(ANSWER | {"hits": [], "hidden": 12345}, "match")


def test_how_a_query_was_read_is_echoed_unless_it_is_plain_words() -> None:
    assert describe_query(UnderstoodQuery.parse_json(ANSWER["understood"])) == ""
    aims = [{"text": "beach", "weight": 2}, {"text": "people", "weight": -1}, {"like": "a.jpg", "weight": 1}]
    filters = [
        {"key": "when", "value": "2024-06..2024-08", "negated": False},
        {"key": "in", "value": "Holidays", "negated": True},
    ]
    assert describe_query(UnderstoodQuery.parse_json({"aims": aims, "filters": filters})) == (
        "text: beach ^2, away from: people, like: a.jpg, when: 2024-06..2024-08, not in: Holidays"
    )
