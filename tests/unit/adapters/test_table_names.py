"""The names of a model's tables."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phsearch.adapters.store.table_names import former_name, may_be_of, table_name
from phsearch.domain.types import ModelIdentity

texts = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["", "mini", "local-dir:/models/b32-256", "local-dir:/models/b32/256", "模型", "型模", "\udce9"]
)
identities = st.builds(ModelIdentity, texts, texts, texts, texts, st.integers(1, 4096))
short = st.text(st.sampled_from('a",'), max_size=1)
shifted = st.builds(ModelIdentity, short, short, short, short, st.just(4))
"""Many of them are the same text when their fields are joined."""


@given(st.lists(identities, min_size=2, max_size=20, unique=True) | st.lists(shifted, min_size=20, unique=True))
def test_distinct_identities_never_share_a_name(found: list[ModelIdentity]) -> None:
    assert len({table_name("photos", each) for each in found}) == len(found)


@given(identities)
def test_a_name_is_short_plain_and_recognised(identity: ModelIdentity) -> None:
    for kind in ("photos", "retired"):
        name = table_name(kind, identity)
        assert re.fullmatch(kind + r"_[a-z0-9]([a-z0-9_]{0,38}[a-z0-9])?_[0-9a-f]{8}", name)
        assert may_be_of(name, kind, identity.name, identity.pretrained)
        former = former_name(kind, identity.name, identity.pretrained)
        assert may_be_of(former, kind, identity.name, identity.pretrained)


@pytest.mark.parametrize(
    ("name", "pretrained", "readable"),
    [
        ("mini", "", "mini"),
        ("ViT-B-32", "laion2b_s34b_b79k", "vit_b_32_laion2b_s34b_b79k"),
        ("模型", "", "model"),
        ("local-dir:/models/é", "", "local_dir_models"),
        ("local-dir:/" + "x" * 100, "", "local_dir_" + "x" * 30),
    ],
)
def test_a_name_begins_with_what_a_person_can_read(name: str, pretrained: str, readable: str) -> None:
    table = table_name("photos", ModelIdentity(name, pretrained, "w", "p", 4))
    assert table.startswith(f"photos_{readable}_")
    assert len(table) == len(f"photos_{readable}_") + 8


@pytest.mark.parametrize("table", ["photos_mini2", "photos_mini_0a1b2c3", "photos_mini_x_0a1b2c3d", "retired_mini"])
def test_a_table_with_another_name_is_another_models(table: str) -> None:
    assert not may_be_of(table, "photos", "mini", "")


def test_a_name_lasts() -> None:
    identity = ModelIdentity("mini", "", "abc", "{}", 4)
    assert (table_name("photos", identity), table_name("retired", identity)) == (
        "photos_mini_2630cffa",
        "retired_mini_2630cffa",
    )
