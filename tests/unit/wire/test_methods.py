from __future__ import annotations

from typing import Any

import pytest

from phsearch.wire import PROTOCOL, framing
from phsearch.wire.jsonrpc import RpcError
from phsearch.wire.methods import MAX_OFFSET, MAX_QUERY, METHODS, discover
from phsearch.wire.schema import Param


def check(method: str, **params: Any) -> dict[str, Any]:
    return METHODS[method].check(params)


def refusal(method: str, **params: Any) -> str:
    with pytest.raises(RpcError) as refused:
        check(method, **params)
    assert refused.value.kind == "InvalidParams"
    framing.encode(refused.value.body())
    return f"{refused.value}: {refused.value.hint}"


def test_the_table_holds_the_contract() -> None:
    names = {"search", "status", "library.rescan", "library.errors", "library.retry", "library.verify", "library.why"}
    names |= {"config.reload", "library.forget"}
    assert names | {"library.confirm_deletions", "events.subscribe", "rpc.discover"} <= set(METHODS)
    assert all(name == method.name for name, method in METHODS.items())


def test_defaults_are_filled_in() -> None:
    assert check("search", query="cat") == {
        "query": "cat",
        "limit": 20,
        "min_score": None,
        "min_band": None,
        "min_relevance": None,
        "collapse": False,
        "indexed_after": None,
        "indexed_until": None,
        "after_sequence": None,
        "until_sequence": None,
        "cwd": None,
        "model": None,
        "sync": None,
    }
    assert check("library.errors") == {"limit": 1000, "offset": 0}
    assert check("library.rescan") == {"path": None}
    assert check("library.retry") == {"path": None}
    assert check("library.verify") == {"sample": 200}
    assert check("status") == {}


def test_null_means_not_given() -> None:
    assert check("search", query="cat", limit=None, min_score=None)["limit"] == 20


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_default_is_itself_allowed(method: Any) -> None:
    for param in method.params:
        assert param.check(param.default) == param.default if not param.required else True


@pytest.mark.parametrize("limit", [1, 20, 1000])
@pytest.mark.parametrize("score", [-1, 0.25, 1])
def test_bounds_are_inclusive(limit: int, score: float) -> None:
    assert check("search", query="x" * MAX_QUERY, limit=limit, min_score=score)["limit"] == limit


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("search", {}, '"query" is missing: the text to look for'),
        ("search", {"query": None}, '"query" must be a string'),
        ("search", {"query": 7}, '"query" must be a string'),
        ("search", {"query": ""}, '"query" must not be empty'),
        ("search", {"query": " \t\n"}, '"query" must not be blank'),
        ("search", {"query": "x" * 1001}, '"query" has 1,001 characters, the limit is 1,000'),
        ("search", {"query": "half \ud83d"}, '"query" is not valid text'),
        ("search", {"query": "byte \udcff"}, '"query" is not valid text'),
        ("search", {"query": "cat", "limit": 0}, '"limit" must be at least 1'),
        ("search", {"query": "cat", "limit": 1001}, '"limit" must be at most 1,000'),
        ("search", {"query": "cat", "limit": 10**400}, '"limit" must be at most 1,000'),
        ("search", {"query": "cat", "limit": 2.0}, '"limit" must be a whole number'),
        ("search", {"query": "cat", "limit": True}, '"limit" must be a whole number'),
        ("search", {"query": "cat", "limit": "20"}, '"limit" must be a whole number'),
        ("search", {"query": "cat", "min_score": 1.01}, '"min_score" must be at most 1'),
        ("search", {"query": "cat", "min_score": -2}, '"min_score" must be at least -1'),
        ("search", {"query": "cat", "min_score": False}, '"min_score" must be a number'),
        (
            "search",
            {"query": "cat", "colour": 1},
            'unknown parameter "colour": search takes after_sequence, collapse, cwd, indexed_after,',
        ),
        ("search", {"query": "cat", "sync": -1}, '"sync" must be at least 0'),
        ("search", {"query": "cat", "sync": True}, '"sync" must be a number'),
        ("library.why", {}, '"path" is missing: the absolute path to explain'),
        ("library.why", {"path": "/a", "query": " "}, '"query" must not be blank'),
        ("status", {"query": "cat"}, 'unknown parameter "query": status takes no parameters'),
        ("library.rescan", {"path": "\ud800"}, '"path" is not valid text'),
        ("library.rescan", {"path": "/a\0b"}, '"path" must not hold a null character'),
        ("library.rescan", {"path": "x" * 4097}, '"path" has 4,097 characters'),
        ("library.errors", {"offset": -1}, '"offset" must be at least 0'),
        ("library.errors", {"offset": MAX_OFFSET + 1}, '"offset" must be at most 9,007,199,254,740,992'),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(method: str, params: dict[str, Any], said: str) -> None:
    assert said in refusal(method, **params)


@pytest.mark.parametrize(
    ("method", "param"),
    [
        (name, param)
        for name, method in METHODS.items()
        for param in method.params
        if param.kind in ("integer", "number")
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_every_number_has_bounds(method: str, param: Param) -> None:
    required = {each.name: "/x" for each in METHODS[method].params if each.required}
    for wrong in (10**400, -(10**400)):
        assert f'"{param.name}" must be at' in refusal(method, **required | {param.name: wrong})
    assert param.low is not None
    assert param.high is not None
    assert float(param.low) < float(param.high) <= 2**53, "exact in every program's JSON"


def test_a_path_may_hold_bytes_that_are_not_utf_8() -> None:
    assert check("library.rescan", path="/odd\udcff")["path"] == "/odd\udcff"


def test_switches_are_true_or_false() -> None:
    switch = Param("deep", "boolean", "look deeper", default=False)
    assert switch.check(True) is True
    with pytest.raises(RpcError, match="must be true or false"):
        switch.check(1)


def test_a_choice_is_one_of_those_offered() -> None:
    assert check("config.reload") == {"check": False, "removed": "grace"}
    assert check("config.reload", removed="keep")["removed"] == "keep"
    assert '"removed" must be one of grace, keep, forget' in refusal("config.reload", removed="burn")
    (described,) = [each.schema()["schema"] for each in METHODS["config.reload"].params if each.name == "removed"]
    assert described["enum"] == ["grace", "keep", "forget"]


def test_discovery_is_the_table() -> None:
    document = framing.decode(framing.encode(discover("1.2.3")))
    assert document["info"] == {"title": "phsearch", "version": "1.2.3", "x-protocol": PROTOCOL}
    assert [method["name"] for method in document["methods"]] == list(METHODS)
    query, limit, score, *_ = document["methods"][0]["params"]
    assert query["required"] is True
    assert query["schema"] == {"type": "string", "minLength": 1, "maxLength": MAX_QUERY}
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}
    assert score["schema"] == {"type": "number", "minimum": -1, "maximum": 1}
