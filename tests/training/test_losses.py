"""The losses, on vectors small enough to compute by hand."""

from __future__ import annotations

import math

import pytest

from support.lazy import LazyModule

torch, losses = LazyModule("torch"), LazyModule("training.losses")


def test_captions_of_one_photo_are_all_its_positives() -> None:
    matches = losses.same_photo(torch.tensor([7, 8]), torch.tensor([7, 8, 7]))
    assert matches.tolist() == [[True, False, True], [False, True, False]]


def test_pairs_that_agree_cost_less_than_pairs_that_are_swapped() -> None:
    vectors, matches = torch.eye(3), torch.eye(3, dtype=torch.bool)
    right = losses.contrastive(vectors, vectors, matches, torch.tensor(10.0))
    wrong = losses.contrastive(vectors, vectors.roll(1, 0), matches, torch.tensor(10.0))
    assert right < 0.01
    assert wrong > 9


def test_a_second_caption_of_the_same_photo_is_no_negative() -> None:
    images = torch.eye(2)
    texts = torch.stack([images[0], images[0], images[1]])
    ids = torch.tensor([0, 0, 1])
    shared = losses.contrastive(images, texts, losses.same_photo(torch.arange(2), ids), torch.tensor(10.0))
    apart = losses.contrastive(images, texts, torch.eye(2, 3, dtype=torch.bool), torch.tensor(10.0))
    assert shared < apart
    assert shared == pytest.approx(math.log(2) / 4, abs=0.01)


def test_a_text_that_matches_nothing_in_the_batch_has_no_say() -> None:
    logits = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    alone = losses.soft_ranking(logits[:1], targets[:1])
    assert losses.soft_ranking(logits, targets) == pytest.approx(alone.item())


def test_the_hinge_rests_once_the_margin_is_kept() -> None:
    matches = torch.eye(3, dtype=torch.bool)
    assert losses.hardest_negatives(torch.eye(3), torch.eye(3), matches, 0.2) == 0
    swapped = losses.hardest_negatives(torch.eye(3), torch.eye(3).roll(1, 0), matches, 0.2)
    assert swapped == pytest.approx(2.4)


def test_a_student_that_equals_its_teacher_is_left_alone() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert losses.distillation(logits, logits.softmax(dim=1)) == pytest.approx(0, abs=1e-6)
    assert losses.distillation(-logits, logits.softmax(dim=1)) > 0.5


def test_turning_the_whole_space_keeps_every_neighbourhood() -> None:
    words = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), dim=1)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(2)))[0]
    assert losses.same_neighbours(words @ turn, words, 20.0) == pytest.approx(0, abs=1e-5)
    assert losses.same_neighbours(words.roll(2, 1) * words.sign(), words, 20.0) > 0.01
