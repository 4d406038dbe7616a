"""A text tower is exported so that short texts cost little, and every text keeps its vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from phsearch.adapters import openvino
from phsearch.domain.types import RuntimePlan
from support import tiny_model
from support.lazy import LazyModule

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.adapters.clip import LoadedTower

torch = LazyModule("torch")
clip, export = LazyModule("phsearch.adapters.clip"), LazyModule("phsearch.adapters.clip.export")
TEXTS = ["a dog", "the old man and the sea", "one two three four five six seven eight nine ten eleven twelve"]
ANY = {8, 12, 16, 24, 32}


def loaded(folder: Path, *, custom: bool, **text: Any) -> LoadedTower:
    """Return a tiny model with random weights whose texts may have 40 tokens."""
    tiny_model.save(folder, custom=custom, context_length=40, layers=2, **text)
    tower: LoadedTower = clip.load_tower(f"local-dir:{folder}", "", "both")
    return tower


@pytest.mark.parametrize(
    ("custom", "text", "short"),
    [
        pytest.param(False, {}, True, id="CLIP of OpenAI"),
        pytest.param(True, {}, True, id="a text tower of its own"),
        pytest.param(True, {"no_causal_mask": True}, False, id="each token sees the padding"),
        pytest.param(True, {"no_causal_mask": True, "pool_type": "last"}, False, id="SigLIP"),
        pytest.param(True, {"embed_cls": True}, False, id="CoCa"),
    ],
)
def test_a_short_text_takes_few_tokens_where_its_vector_stays_the_same(
    tmp_path: Path, *, custom: bool, text: dict[str, Any], short: bool
) -> None:
    model = loaded(tmp_path, custom=custom, **text)
    widths = export.short_texts(model)
    assert set(widths) == (ANY if short else set())
    assert model.weights is not None
    graph = openvino.compile_graph(
        export.export_text(model, model.weights, short=short), model.weights, RuntimePlan.plain("")
    )
    ids = model.tokenizer(TEXTS)
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(model.model.encode_text(ids), dim=-1).numpy()
    for tokens in {24, 32} & widths.keys() | {ids.shape[1]}:
        np.testing.assert_allclose(graph({0: ids[:, :tokens].numpy()})[0], wanted, atol=1e-5)
        np.testing.assert_allclose(graph({0: ids[:1, :tokens].numpy()})[0], wanted[:1], atol=1e-5)


def test_what_an_export_changes_in_torch_is_put_back(tmp_path: Path) -> None:
    model = loaded(tmp_path, custom=False)
    assert model.weights is not None
    attention, fast = torch.nn.MultiheadAttention.forward, torch.backends.mha.get_fastpath_enabled()
    parameters = {name for name, _ in model.model.named_parameters()}
    export.export_text(model, model.weights, short=True)
    assert torch.nn.MultiheadAttention.forward is attention
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert {name for name, _ in model.model.named_parameters()} == parameters
    assert model.model.positional_embedding.shape[0] == 40
