from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, get_args

import pytest

from phsearch.wire import framing
from phsearch.wire.methods import METHODS
from phsearch.wire.results.daemon import Pace
from phsearch.wire.results.events import Event
from phsearch.wire.results.search import Aim, Hit, SearchResult, UnderstoodQuery
from phsearch.wire.results.why import Explanation
from phsearch.wire.schema import record_schema

if TYPE_CHECKING:
    from phsearch.wire.record import Record

HIT: dict[str, Any] = {
    "path": "/p/a\udcff.jpg",
    "score": 0.25,
    "relevance": None,
    "band": None,
    "share": 0.5,
    "more": 2,
    "root": "/p",
    "taken_at": None,
    "width": 40,
    "height": 30,
    "format": "JPEG",
    "camera": None,
    "indexed_at": 1.5,
    "sequence": 3,
    "offline": False,
    "last_seen": None,
}
ANSWER: dict[str, Any] = {
    "hits": [HIT],
    "understood": {"aims": [{"text": "beach", "weight": 1.0}, {"like": "/a.jpg", "weight": -1.0}], "filters": []},
    "matching": 7,
    "hidden": 0,
    "closest": None,
    "pending": 0,
    "held": None,
    "photos": 8,
    "took_ms": 1.25,
}


def mistake(given: Any, kind: type[Record] = SearchResult) -> str:
    with pytest.raises(ValueError, match=r"there is|: ") as refused:
        kind.parse_json(given)
    return str(refused.value)


def test_what_is_read_is_written_again_byte_by_byte() -> None:
    assert framing.encode(SearchResult.parse_json(ANSWER)) == framing.encode(ANSWER)


def test_a_member_that_is_not_always_there_is_left_out() -> None:
    assert framing.encode(Event(type="dropped", count=3)) == b'{"type":"dropped","count":3}\n'
    assert SearchResult.parse_json(ANSWER).synced is None
    assert SearchResult.parse_json(ANSWER | {"synced": False}).json_members()["synced"] is False


def test_members_have_names_and_cannot_be_changed() -> None:
    hit = Hit.parse_json(HIT)
    assert (hit.path, hit.share, hit.more) == (HIT["path"], 0.5, 2)
    with pytest.raises(AttributeError, match="Hit is immutable"):
        hit.more = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Hit is immutable"):
        del hit.more
    assert hit == Hit.parse_json(HIT) != Hit.parse_json(HIT | {"more": 3})
    assert len({hit, Hit.parse_json(HIT)}) == 1
    assert repr(Aim(text="beach", weight=1)) == "Aim(text='beach', like=None, weight=1)"
    assert pickle.loads(pickle.dumps(hit)) == copy.deepcopy(hit) == hit


def test_all_members_are_given_by_name() -> None:
    with pytest.raises(TypeError, match="Aim needs weight"):
        Aim(text="beach")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Aim has no wait"):
        Aim(text="beach", like=None, weight=1, wait=2)  # type: ignore[call-arg]


def test_a_newer_daemon_may_say_more() -> None:
    later = ANSWER | {"later": [1], "hits": [HIT | {"later": {}, "band": "superb"}]}
    (hit,) = SearchResult.parse_json(later).hits
    assert str(hit.band) == "superb"


def test_an_older_daemon_may_say_less() -> None:
    older = {name: HIT[name] for name in ("path", "score", "root", "taken_at", "width", "height", "format")}
    found = SearchResult.parse_json({"hits": [older], "pending": 0, "photos": 1, "took_ms": 1})
    assert found.understood == UnderstoodQuery(aims=(), filters=())
    assert (found.hits[0].relevance, found.hits[0].more, found.hits[0].offline) == (None, 0, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1, 2], "there is a list in place of an object"),
        (None, "there is null in place of an object"),
        ({}, 'there is no "hits"'),
        ({"hits": [{}]}, 'hits: there is no "path"'),
        ({"hits": {}}, "hits: there is an object in place of a list"),
        ({"hits": [HIT | {"width": "40"}]}, "hits: width: there is a string in place of a whole number"),
        ({"hits": [HIT | {"width": True}]}, "hits: width: there is true or false in place of a whole number"),
        ({"hits": [HIT | {"offline": 1}]}, "hits: offline: there is a number in place of true or false"),
        (ANSWER | {"understood": {"aims": [{"weight": "2"}]}}, "understood: aims: weight: there is a string in place"),
        (ANSWER | {"photos": None}, "photos: there is null in place of a whole number"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(given: Any, said: str) -> None:
    assert said in mistake(given)


def test_anything_but_a_record_is_no_json() -> None:
    with pytest.raises(AttributeError, match="'set' object has no attribute 'json_members'"):
        framing.encode({"a": {1}})


def test_an_answer_is_described_as_it_is_written() -> None:
    schema = record_schema(SearchResult)
    seldom = {"nearest", "did_you_mean", "language", "synced"}
    assert schema["required"] == [name for name in SearchResult.__annotations__ if name not in seldom]
    hit = schema["properties"]["hits"]["items"]
    assert hit["properties"]["more"] == {"type": "integer", "description": "how many near-duplicates it stands for"}
    assert hit["properties"]["taken_at"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert schema["properties"]["synced"]["type"] == "boolean"
    assert record_schema(Pace)["properties"]["state"] == {"type": "string", "enum": ["full", "throttled", "paused"]}
    assert record_schema(Explanation)["properties"]["verdict"]["enum"] == list(
        get_args(Explanation.__annotations__["verdict"])
    )


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_result_is_described(method: Any) -> None:
    described = method.describe()["result"]
    assert described["summary"]
    assert described["schema"]["properties"].keys() >= set(method.result.__annotations__)
    assert ("protocol" in described["schema"]["properties"]) == (method.name != "rpc.discover")
