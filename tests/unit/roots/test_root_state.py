"""The table of a root's states, without a disk."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from phsearch.domain.roots.root_state import TRANSITIONS, RootFinding, next_state
from phsearch.domain.types import RootState

FINDINGS = get_args(RootFinding)


def test_the_table_knows_every_state_and_only_those() -> None:
    assert TRANSITIONS.keys() == set(get_args(RootState))
    assert {found for row in TRANSITIONS.values() for found in row} == set(FINDINGS)
    assert {state for row in TRANSITIONS.values() for state in row.values()} == set(get_args(RootState)) - {"starting"}


@given(st.lists(st.sampled_from(FINDINGS)))
def test_a_root_that_is_lost_is_offline_until_a_scan_finds_it(findings: list[RootFinding]) -> None:
    state: RootState = "starting"
    lost = False
    for finding in findings:
        lost = finding == "lost" or (lost and finding != "there")
        state = next_state(state, finding)
        assert (state == "offline") == lost


@given(st.lists(st.sampled_from(FINDINGS)))
def test_a_root_is_not_called_watched_before_a_scan_of_it_began(findings: list[RootFinding]) -> None:
    state: RootState = "starting"
    for number, finding in enumerate(findings):
        state = next_state(state, finding)
        if state in {"watching", "polling"}:
            assert {"scan begins", "there"} & set(findings[:number])
