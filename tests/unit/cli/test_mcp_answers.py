"""The answers of MCP's tools: what strangers wrote stays inside its lines and its frame."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from phsearch.cli.mcp_server.answers import DATA_BEGIN, DATA_END, answer_search, answer_status, answer_why
from phsearch.wire import framing

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
}
NAMES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\x1b\u2028\u202e\udcff")).map(
    lambda name: f"/p/{name}"
)


def found(*hits: dict[str, Any], photos: int = 9, pending: int = 0) -> dict[str, Any]:
    return {"photos": photos, "pending": pending, "hits": list(hits)}


def test_a_hit_is_told_with_its_facts() -> None:
    answer = answer_search({"query": "dog"}, found(HIT, HIT | {"band": "none"}, HIT | {"band": None, "offline": False}))
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


def test_nothing_found_is_one_sentence() -> None:
    empty = answer_search({"query": "a\ndog"}, found(photos=0, pending=3))
    assert empty.text == r'No photo is indexed yet, so none can match "a\ndog". 3 more are still being indexed.'
    assert answer_search({"query": "dog"}, found()).text == 'No photo of 9 matches "dog" so well.'


@given(NAMES, NAMES, NAMES)
def test_whatever_a_name_holds_each_line_is_printable_and_the_frame_is_whole(one: str, two: str, three: str) -> None:
    status = {
        "version": "1",
        "photos": 1,
        "pending": 0,
        "errors": 0,
        "model": {"name": one, "state": "failed", "reason": two},
        "roots": [{"path": three, "state": "online", "photos": 1}],
        "notices": [{"text": one, "hint": two}],
    }
    answers = (
        (answer_search({"query": one}, found(HIT | {"path": two}, HIT | {"path": three})), 2),
        (answer_why({}, {"path": one, "text": two, "match": {"text": three}}), 2),
        (answer_status({}, status), 3),
    )
    for answer, rows in answers:
        lines = answer.text.split("\n")
        assert all(line.isprintable() for line in lines)
        assert (lines[1], lines[-1], len(lines)) == (DATA_BEGIN, DATA_END, rows + 3)
        assert all(link.name.isprintable() and link.uri.isascii() for link in answer.links)
        json.dumps(answer.data, ensure_ascii=False).encode()  # strictly


def test_an_answer_ends_before_it_is_too_long_and_says_so() -> None:
    hits = [HIT | {"path": f"/p/{'x' * 2000}{number}"} for number in range(400)]
    answer = answer_search({"query": "dog"}, found(*hits))
    shown = len(answer.links)
    assert 50 < shown < 400
    assert len(answer.data["hits"]) == answer.text.count("score") == shown
    assert f"best (the first {shown:,} of 400):" in answer.text
    whole = [answer.text, answer.data, [link.uri for link in answer.links]]
    assert len(framing.encode(whole)) < framing.MAX_LINE
