from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.wire import framing, jsonrpc
from phsearch.wire.jsonrpc import Request, RpcError

ids = st.none() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(ids, st.dictionaries(st.text(max_size=8), anything, max_size=3))
def test_a_request_is_parsed_as_it_was_made(id_: Any, params: dict[str, Any]) -> None:
    message = framing.decode(framing.encode(jsonrpc.request("search", params, id_)))
    assert jsonrpc.parse_request(message) == Request("search", params, id_)


def test_a_request_without_an_id_is_a_notification() -> None:
    assert jsonrpc.parse_request(jsonrpc.notification("status", {})) == Request("status", {}, None, notification=True)


def test_params_may_be_left_out() -> None:
    assert jsonrpc.parse_request({"jsonrpc": "2.0", "id": 1, "method": "status"}).params == {}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ([], "InvalidRequest"),
        ([jsonrpc.request("status", {}, 1)], "InvalidRequest"),
        (None, "InvalidRequest"),
        ("status", "InvalidRequest"),
        ({}, "InvalidRequest"),
        ({"jsonrpc": "1.0", "id": 1, "method": "status"}, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": 1}, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": True, "method": "status"}, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": {}, "method": "status"}, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": 1, "method": "status", "params": []}, "InvalidParams"),
        ({"jsonrpc": "2.0", "id": 1, "method": "status", "params": None}, "InvalidParams"),
    ],
)
def test_a_wrong_envelope_is_refused(message: Any, kind: str) -> None:
    with pytest.raises(RpcError) as refused:
        jsonrpc.parse_request(message)
    assert refused.value.kind == kind


@given(anything)
def test_any_json_is_parsed_or_refused_and_its_id_can_be_echoed(message: Any) -> None:
    framing.encode(jsonrpc.result(None, jsonrpc.request_id(message)))
    try:
        jsonrpc.parse_request(message)
    except RpcError as problem:
        framing.encode(jsonrpc.error(problem, jsonrpc.request_id(message)))


@pytest.mark.parametrize(
    ("message", "id_"),
    [({"id": 7}, 7), ({"id": "a"}, "a"), ({"id": 1.5}, 1.5), ({"id": None}, None), ({"id": True}, None), ([], None)],
)
def test_an_id_is_found_even_in_a_wrong_request(message: Any, id_: Any) -> None:
    assert jsonrpc.request_id(message) == id_


@pytest.mark.parametrize("kind", jsonrpc.CODES)
def test_an_error_carries_its_kind_hint_and_whether_to_ask_again(kind: str) -> None:
    answer = jsonrpc.error(RpcError(kind, "the model is loading", "ask again in a moment"), 3)
    assert answer == {
        "jsonrpc": "2.0",
        "id": 3,
        "error": {
            "code": jsonrpc.CODES[kind],
            "message": "the model is loading",
            "data": {"type": kind, "hint": "ask again in a moment", "retryable": kind in {"NotReady", "Busy"}},
        },
    }


def test_every_error_has_a_code_of_its_own() -> None:
    assert len(jsonrpc.CODES) == len(jsonrpc.NAMES)
