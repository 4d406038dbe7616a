"""How the words of a command line become one query."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli import query_args
from phsearch.cli.query_args import query_of, split
from phsearch.cli.query_options import terms_of
from phsearch.domain import query as language
from phsearch.domain.query.ast import Like, Phrase, Query
from phsearch.domain.query.dates import TakenBetween
from phsearch.domain.query.lexer import clean
from phsearch.domain.query.measures import Near
from phsearch.domain.query.names import Camera, Folder
from phsearch.errors import QueryError

TODAY = date(2024, 3, 1)
KNOWN = {"-n": True, "--limit": True, "-0": False, "-h": False, "--json": False}


def nothing(_path: str) -> bool:
    return False


def query(*terms: str) -> str:
    return query_of(terms, nothing)


def meant(*terms: str) -> Query:
    return language.parse(query(*terms), TODAY)


@pytest.mark.parametrize(
    ("terms", "meant"),
    [
        (["–people in suits", "beach"], '–"people in suits" beach'),  # noqa: RUF001
        (["－people in suits"], '－"people in suits"'),  # noqa: RUF001
        (["camera：Pixel 8"], 'camera:"Pixel 8"'),  # noqa: RUF001
        (["in：My Photos", "dog"], 'in:"My Photos" dog'),  # noqa: RUF001
        (["ｄａｔｅ：2024", "dog"], "ｄａｔｅ：2024 dog"),  # noqa: RUF001
        (["photo：my dog", "x"], '"photo：my dog" x'),  # noqa: RUF001
        (["标题：海 滩", "x"], '"标题：海 滩" x'),  # noqa: RUF001
        (["beach – sunset"], "beach – sunset"),  # noqa: RUF001
    ],
)
def test_arguments_with_signs_of_other_keyboards_keep_their_meaning(terms: list[str], meant: str) -> None:
    assert query(*terms) == meant


# --- options and terms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "options", "terms"),
    [
        ("beach -people", "", "beach -people"),
        ("-people beach -n 5 -0 sunset", "-n 5 -0", "-people beach sunset"),
        ("-n5 -h beach", "-n5 -h", "beach"),
        ("-note -0x -hat -nx -5", "", "-note -0x -hat -nx -5"),
        ("--json --limit 5 beach", "--json --limit 5", "beach"),
        ("--limit=5 beach --jsno", "--limit=5 --jsno", "beach"),
        ("-n 5 -- -n 5 -- --json", "-n 5", "-n 5 -- --json"),
        ("beach -", "", "beach -"),
        ("beach -n", "-n", "beach"),
        ("-n -5 beach", "-n -5", "beach"),
    ],
)
def test_one_dash_is_a_term_unless_it_is_a_known_option(line: str, options: str, terms: str) -> None:
    assert split(line.split(), KNOWN) == (options.split(), terms.split())


@given(st.lists(st.text(st.sampled_from("-n0h5= a")) | st.sampled_from(["--", "-n", "--json", "--limit"])))
def test_no_argument_is_lost(args: list[str]) -> None:
    options, terms = split(args, KNOWN)
    kept = Counter(options) + Counter(terms)
    assert not kept - Counter(args)
    assert Counter(args) - kept in (Counter(), Counter({"--": 1}))


# --- terms and the query ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["beach sunset"], "beach sunset"),
        (['beach -"people in suits" date:2024'], 'beach -"people in suits" date:2024'),
        (["beach", "sunset"], "beach sunset"),
        (["beach", "", "date:2024"], "beach date:2024"),
        (["beach", "people in suits"], 'beach "people in suits"'),
        (["beach", "-people in suits"], 'beach -"people in suits"'),
        (["beach", "+red car^2"], 'beach +"red car"^2'),
        (["-people in suits"], '-"people in suits"'),
        (["-people in suits^2"], '-"people in suits"^2'),
        (["-people"], "-people"),
        (["-people date:2024"], "-people date:2024"),
        (["-people +snow"], "-people +snow"),
        (["-people^2 beach"], "-people^2 beach"),
        (['-"people in suits" beach'], '-"people in suits" beach'),
        (["-in:Work beach"], "-in:Work beach"),
        (["beach", 'say "hi" now'], r'beach "say \"hi\" now"'),
        (["beach", '"red car"^2'], 'beach "red car"^2'),
        (["beach", "camera:Pixel 8"], 'beach camera:"Pixel 8"'),
        (["beach", "-in:My Photos/2023"], 'beach -in:"My Photos/2023"'),
        (["beach", "camera:Pixel 8,Canon"], 'beach camera:"Pixel 8","Canon"'),
        (["beach", "in:Rome, Italy"], 'beach in:"Rome, Italy"'),
        (["beach", 'camera:"Pixel 8",Canon'], 'beach camera:"Pixel 8",Canon'),
        (["beach", "like:a b.jpg^2"], 'beach like:"a b.jpg"^2'),
        (["beach", "note: red car"], 'beach "note: red car"'),
        (["beach", "http://a b"], 'beach "http://a b"'),
        (["beach", "- dash"], 'beach "- dash"'),
        ([], ""),
        (["", " "], ""),
    ],
)
def test_quotes_that_the_shell_removed_are_restored(args: list[str], expected: str) -> None:
    assert query(*args) == expected


@pytest.mark.parametrize("args", [["like:a b^2.jpg"], ["-like:a b^2.jpg"], ["beach", "like:a b^2.jpg"]])
def test_the_path_of_a_file_that_exists_is_quoted_whole(args: list[str]) -> None:
    text = query_of(args, lambda path: path == "a b^2.jpg")
    assert text.endswith('like:"a b^2.jpg"')
    assert query_of(["like:x.jpg snow"], nothing) == "like:x.jpg snow"


def test_options_are_terms() -> None:
    terms = terms_of(
        {
            "like": ("a b.jpg", 'c,"d".jpg'),
            "after": "2023",
            "before": None,
            "under": ("My Photos, old", "[2024-01]", "20*"),
            "near": "48.85, 2.35",
            "camera": "Pixel 8,Canon",
            "type": "raw,heic",
            "size": ">12MP",
            "json": "no term",
        }
    )
    parsed = language.parse(" ".join(terms), TODAY)
    assert parsed.aims == (Like("a b.jpg"), Like('c,"d".jpg'))
    tests = {term.key: term.tests for term in parsed.filters}
    assert list(tests) == ["after", "in", "camera", "type", "near", "size"]
    assert isinstance(tests["after"][0], TakenBetween)
    under = [test for term in parsed.filters for test in term.tests if isinstance(test, Folder)]
    assert [test.pattern for test in under] == ["My Photos, old", "[2024-01]", "20*"]
    assert [test.literal for test in under] == [True, True, False]
    assert tests["camera"] == (Camera("Pixel 8"), Camera("Canon"))
    assert tests["near"] == (Near(lat=48.85, lon=2.35, metres=5000),)
    assert len(tests["type"]) == 2


def test_an_empty_option_is_a_mistake() -> None:
    with pytest.raises(QueryError, match="nothing in the quotes"):
        language.parse(" ".join(terms_of({"date": ""})), TODAY)


def test_client_and_daemon_quote_alike() -> None:
    for text in ('a"b', "a\\", "", "“”"):
        assert query_args.quoted(text) == language.quoted(text)


# --- whatever the shell gives -------------------------------------------------------------------------------------

TEXT = st.text() | st.text(st.sampled_from('ab 1:^"\\+-,“”/'))
BLANKS = st.sampled_from([" ", "  ", "\n", "\u3000"])


def spaced(without: str = "") -> st.SearchStrategy[str]:
    """Return texts with blanks in them, and without these characters."""
    usual = "".join(char for char in 'ab1:^"\\+-,“”/' if char not in without)
    strange = st.characters(exclude_categories=["Zs", "Zl", "Zp", "Cc", "Cs"], exclude_characters=without)
    words = st.text(st.sampled_from(usual) | strange, min_size=1)
    return st.tuples(BLANKS, st.lists(words, min_size=2)).map(lambda parts: parts[0].join(parts[1]))


@given(st.lists(spaced(without=":^").map(lambda text: f"x{text}")))
def test_each_of_several_arguments_with_blanks_is_one_phrase(args: list[str]) -> None:
    args += ["two words", "3 words more"]
    assert meant(*args).aims == tuple(Phrase(clean(text)) for text in args)


@given(st.sampled_from("+-"), spaced(without=':^"+-'))
def test_a_signed_argument_with_blanks_is_one_phrase_even_alone(sign: str, text: str) -> None:
    assert meant(f"{sign}{text}").aims == (Phrase(clean(text), -1.0 if sign == "-" else 1.0),)


@given(st.sampled_from(["in", "camera", "root"]), spaced(without=',"/'))
def test_a_value_with_blanks_is_one_value(key: str, text: str) -> None:
    (term,) = meant("beach", f"{key}:{text}").filters
    assert len(term.tests) == 1
    assert term.value == language.quoted(text)


@given(spaced(), st.sampled_from(["", "-", "+"]))
def test_a_file_that_exists_is_found_whatever_its_name(path: str, sign: str) -> None:
    if path.startswith("//"):
        path = f"./{path}"
    text = query_of([f"{sign}like:{path}"], lambda asked_for: asked_for == path)
    assert language.parse(text, TODAY).aims == (Like(path, -1.0 if sign == "-" else 1.0),)


@given(st.lists(TEXT))
def test_the_daemon_parses_any_arguments_or_says_why_not(args: list[str]) -> None:
    with contextlib.suppress(QueryError):
        meant(*args)


@pytest.mark.parametrize(
    ("argument", "query"),
    [
        ("camera:Pixel 8", 'camera:"Pixel 8"'),
        ("-camera:Google Pixel 8 beach", '-camera:"Google Pixel 8" beach'),
        ("camera:EOS 6D,Pixel 8 -people", 'camera:"EOS 6D","Pixel 8" -people'),
        ("camera:canon beach", "camera:canon beach"),
        ("camera:canon date:2024", "camera:canon date:2024"),
        ('camera:"Pixel 8" 2 dogs', 'camera:"Pixel 8" 2 dogs'),
        ("camera:6D", "camera:6D"),
    ],
)
def test_a_camera_alone_gets_its_quotes_back(argument: str, query: str) -> None:
    assert query_of([argument], lambda _path: False) == query
