"""The golden transcript of protocol 1 still holds: its requests are sent to the real daemon again."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from golden.library import library
from golden.replay import TRANSCRIPT, compare, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.harness import Daemon

RECORDED = [json.loads(line) for line in TRANSCRIPT.read_text().splitlines()]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with library(tmp_path_factory.mktemp("golden")) as running:
        yield running


@pytest.mark.parametrize("recorded", RECORDED, ids=[each["request"][:70] for each in RECORDED])
def test_an_old_client_still_gets_all_that_it_once_got(daemon: Daemon, recorded: dict[str, Any]) -> None:
    assert list(compare(recorded, record(daemon, recorded["request"]), "line")) == []


ANSWER = {
    "hits": [{"path": "PHOTOS/red.png", "score": 0.5, "taken_at": None, "offline": False}],
    "took_ms": 1.5,
    "eta": None,
    "methods": [{"name": "search", "params": [{"name": "query", "required": True}]}],
    "error": {"code": -32602, "message": "no"},
}


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    now = copy.deepcopy(ANSWER)
    change(now)
    return list(compare(ANSWER, now))


def test_what_an_old_client_would_miss_is_noticed() -> None:
    assert changed(lambda now: now.pop("took_ms")) == ["answer.took_ms is gone"]
    assert changed(lambda now: now["hits"][0].pop("offline")) == ["answer.hits[0].offline is gone"]
    assert changed(lambda now: now.update(took_ms="fast")) == ["answer.took_ms is a string, was a number"]
    assert changed(lambda now: now["hits"][0].update(score=0.6)) == ["answer.hits[0].score is 0.6, was 0.5"]
    assert changed(lambda now: now["hits"][0].update(offline=0)) == [
        "answer.hits[0].offline is a number, was a boolean"
    ]
    assert changed(lambda now: now["hits"][0].update(taken_at="2026")) == [
        "answer.hits[0].taken_at is a string, was null"
    ]
    assert changed(lambda now: now["hits"].append({})) == ["answer.hits has 2 entries, was 1"]
    assert changed(lambda now: now["methods"].clear()) == ["answer.methods[search] is gone"]
    assert changed(lambda now: now["error"].update(code=-1)) == ["answer.error.code is -1, was -32602"]
    assert changed(lambda now: now["methods"][0]["params"].append({"name": "model", "required": True})) == [
        "answer.methods[search].params[model] is new and required"
    ]


def test_what_is_added_and_what_depends_on_the_day_is_no_difference() -> None:
    assert changed(lambda now: now.update(later=[1], took_ms=7, eta=3)) == []
    assert changed(lambda now: now["hits"][0].update(camera="X")) == []
    assert changed(lambda now: now["methods"].append({"name": "later"})) == []
    assert changed(lambda now: now["methods"][0]["params"].append({"name": "tags", "required": False})) == []
    assert changed(lambda now: now["error"].update(message="put better")) == []
