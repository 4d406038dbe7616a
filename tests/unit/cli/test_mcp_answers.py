"""The answers of MCP's tools: what strangers wrote stays inside its lines and its frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli.mcp_server.answers import DATA_BEGIN, DATA_END, answer_search, answer_status, answer_why
from phsearch.wire import framing
from phsearch.wire.results.daemon import Status
from phsearch.wire.results.search import SearchResult
from phsearch.wire.results.why import Explanation

if TYPE_CHECKING:
    from phsearch.cli.mcp_server.answers import Answer

HIT: dict[str, Any] = {
    "path": "/p/a b.jpg",
    "score": 0.4912,
    "relevance": 0.934,
    "band": "strong",
    "taken_at": "2023-06-01T10:00:00",
    "offline": True,
    "width": 64,
    "height": 48,
    "format": "JPEG",
    "root": "/p",
}
NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\x1b\u2028\u202e\udcff")).map(
    lambda name: f"/p/{name}"
)


def search(query: str, *hits: dict[str, Any], photos: int = 9, pending: int = 0) -> Answer:
    data = {"photos": photos, "pending": pending, "hits": list(hits), "took_ms": 1.0}
    return answer_search({"query": query}, SearchResult.parse_json(data), data)


def why(path: str, text: str, match: str) -> Answer:
    compared = {"query": "dog", "rank": 1, "photos": 1, "score": 0.5, "text": match}
    data = {"path": path, "verdict": "indexed", "findable": True, "text": text, "match": compared}
    return answer_why({}, Explanation.parse_json(data), data)


def status(model: str, reason: str, root: str) -> Answer:
    data = {
        "version": "1",
        "protocol": 1,
        "pid": 1,
        "uptime": 1.0,
        "model": {"name": model, "pretrained": "", "state": "unavailable", "reason": reason},
        "photos": 1,
        "pending": 0,
        "scanning": False,
        "errors": 0,
        "counters": {"embedded": 0, "reused": 0, "removed": 0, "failed": 0},
        "roots": [{"path": root, "state": "online", "photos": 1}],
        "rate": 0.0,
        "notices": [{"text": model, "hint": reason}],
    }
    return answer_status({}, Status.parse_json(data), data)


def test_a_hit_is_told_with_its_facts() -> None:
    answer = search("dog", HIT, HIT | {"band": "none"}, HIT | {"band": None, "offline": False})
    facts = "64x48 JPEG, taken 2023-06-01"
    assert answer.text.splitlines() == [
        'The photos of 9 that match "dog" best:',
        DATA_BEGIN,
        f"1. score 0.491  /p/a b.jpg  (strong match, probability 0.93, {facts}, offline: its disk is not there now)",
        f"2. score 0.491  /p/a b.jpg  (hardly fits, {facts}, offline: its disk is not there now)",
        f"3. score 0.491  /p/a b.jpg  ({facts})",
        DATA_END,
    ]
    assert (answer.links[0].uri, answer.links[0].media_type) == ("file:///p/a%20b.jpg", "image/jpeg")


def test_members_of_a_newer_daemon_are_passed_on() -> None:
    assert search("dog", HIT | {"stars": 5}).data["hits"][0]["stars"] == 5


def test_nothing_found_is_one_sentence() -> None:
    empty = search("a\ndog", photos=0, pending=3)
    assert empty.text == r'No photo is indexed yet, so none can match "a\ndog". 3 more are still being indexed.'
    assert search("dog").text == 'No photo of 9 matches "dog" so well.'
    data = {"photos": 9, "pending": 0, "hits": [], "nearest": [HIT], "took_ms": 1.0}
    lines = answer_search({"query": "dog"}, SearchResult.parse_json(data), data).text.splitlines()
    assert lines[0] == 'No photo of 9 matches "dog" so well. The nearest, which are probably something else:'
    assert (lines[1], "/p/a b.jpg" in lines[2]) == (DATA_BEGIN, True)


@given(NAMES, NAMES, NAMES)
def test_whatever_a_name_holds_each_line_is_printable_and_the_frame_is_whole(one: str, two: str, three: str) -> None:
    answers = (
        (search(one, HIT | {"path": two}, HIT | {"path": three}), 2),
        (why(one, two, three), 2),
        (status(one, two, three), 3),
    )
    for answer, rows in answers:
        lines = answer.text.split("\n")
        assert all(line.isprintable() for line in lines)
        assert (lines[1], lines[-1], len(lines)) == (DATA_BEGIN, DATA_END, rows + 3)
        assert all(link.name.isprintable() and link.uri.isascii() for link in answer.links)
        json.dumps(answer.data, ensure_ascii=False).encode()  # strictly


def test_an_answer_ends_before_it_is_too_long_and_says_so() -> None:
    hits = [HIT | {"path": f"/p/{'x' * 2000}{number}"} for number in range(400)]
    answer = search("dog", *hits)
    shown = len(answer.links)
    assert 50 < shown < 400
    assert len(answer.data["hits"]) == answer.text.count("score") == shown
    assert f"best (the first {shown:,} of 400):" in answer.text
    whole = [answer.text, answer.data, [link.uri for link in answer.links]]
    assert len(framing.encode(whole)) < framing.MAX_LINE
