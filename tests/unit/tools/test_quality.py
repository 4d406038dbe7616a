"""What `make quality` measures by: truth out of captions, libraries dealt out of photos, and the figures."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[3] / "daemon"))

from phsearch.domain.calibration import fitting, libraries, truth
from phsearch.domain.calibration.captioned import CaptionedPhoto
from phsearch.domain.calibration.truth import NO, UNKNOWN, YES
from phsearch.domain.search.relevance import Curve
from quality import figures
from support.lazy import LazyModule

data = LazyModule("training.photos.data")
labels, domains = LazyModule("quality.labels"), LazyModule("training.photos.domains")

DOG = ("A brown dog runs on the beach", "The brown dog is running", "dogs at the sea", "A pet plays", "Something")
CAT = ("A cat sleeps", "The cat lies on a sofa", "cats indoors", "A cat", "A red sofa")
SEA = ("A dog swims", "The sea is blue", "The blue sea", "Waves", "The sea")


@cache
def photos() -> list[CaptionedPhoto]:
    """Return three photos of each."""
    return [CaptionedPhoto(Path(f"{number}.jpg"), captions) for number, captions in enumerate((DOG, CAT, SEA) * 3)]


def test_a_word_is_shown_where_two_captions_agree_and_unknown_where_one_says_it() -> None:
    cases = {case.text: case.meant.tolist()[:3] for case in truth.words(photos())}
    assert cases["dog"] == [YES, NO, UNKNOWN]
    assert cases["cat"] == [NO, YES, NO]
    assert cases["brown dog"] == [YES, NO, NO]
    assert "the" not in cases
    assert "something" not in cases


def test_a_caption_means_its_own_photo_and_says_nothing_of_those_that_share_a_word() -> None:
    case = next(case for case in truth.captions(photos()) if case.text == "The blue sea")
    assert case.photo == 2
    assert case.meant.tolist()[:3] == [UNKNOWN, NO, YES], "a dog at the sea may be meant, a cat is not"


def test_photos_are_alike_whose_captions_agree() -> None:
    pairs = truth.pairs(photos())
    assert pairs[0, 3] == YES
    assert pairs[0, 1] == NO
    assert pairs[0, 0] == UNKNOWN


def test_what_no_caption_names_is_absent() -> None:
    assert truth.absent(["shark", "cat", "brown bear", "beach"], photos()) == ["shark"]


def test_a_label_is_judged_in_its_set_and_elsewhere_only_where_nothing_touches_it() -> None:
    labelled = [
        domains.LabelledPhoto(Path(f"{kind}-{label}.jpg"), kind, label)
        for kind, label in (
            ("catdog", "dog"),
            ("catdog", "cat"),
            ("food101", "pizza"),
            ("grocery", "Milk"),
            ("clothes10", "shirt"),
        )
    ]
    cases = {case.text: case.meant.tolist() for case in labels.labels(photos()[:3], labelled)}
    assert cases["dog"] == [UNKNOWN, NO, UNKNOWN, YES, NO, NO, NO, NO], "captions name a dog, or a pet"
    assert cases["pizza"] == [NO, NO, NO, NO, NO, YES, UNKNOWN, NO], "milk is food as well"
    assert cases["shirt"] == [UNKNOWN] * 7 + [YES], "whoever is in a photo may wear one"
    assert cases["food"] == [UNKNOWN] * 5 + [YES, YES, UNKNOWN], "a wider word is true of more than say so"
    alike = labels.all_pairs(truth.pairs(photos()[:3]), labelled)
    assert alike[0, 1] == NO
    assert alike[3, 4] == NO, "a cat is not like a dog"
    assert alike[4, 5] == UNKNOWN
    assert alike[5, 5] == UNKNOWN


@given(st.lists(st.sampled_from([YES, NO, UNKNOWN]), min_size=40, max_size=120), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_no_library_holds_a_photo_of_which_nobody_knows(verdicts: list[int], seed: int) -> None:
    meant = np.array(verdicts, np.int8)
    for library in libraries.deal([meant], seed):
        assert UNKNOWN not in meant[library.photos]
        assert len(set(library.photos.tolist())) == len(library.photos)
        assert library.meant.tolist() == (meant[library.photos] == YES).tolist()
        assert library.kind != "none" or not library.meant.any()
        assert library.kind != "subject" or library.meant.all()


def test_a_logistic_regression_finds_the_curve_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    features = np.stack([np.ones(20_000), rng.normal(size=20_000)], axis=1)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(features @ (-1, 2))))).astype(float)
    np.testing.assert_allclose(fitting.logistic(features, labels, np.ones(20_000)), (-1, 2), atol=0.1)


def test_a_curve_grows_with_the_score_where_the_score_is_worth_something() -> None:
    rng = np.random.default_rng(1)
    queries = rng.normal(size=(30, 16)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    photos = np.concatenate([queries[at % 30] + rng.normal(size=(1, 16)) / 4 for at in range(300)]).astype(np.float32)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    meant = [np.array([YES if at % 30 == row else NO for at in range(300)], np.int8) for row in range(30)]
    found = fitting.curve(queries, photos, meant, photos.mean(axis=0), np.cov(photos.T).astype(np.float32))
    assert isinstance(found, Curve)
    assert found.own > 0
    assert found.size < 0, "more photos come close by chance"


def test_a_cut_that_shows_all_finds_all_and_is_never_silent() -> None:
    meant = np.array([YES] * 12 + [NO] * 40, np.int8)
    dealt = list(libraries.deal([meant], 0))
    everything = figures.cut(dealt, lambda library: np.ones(len(library.photos), np.bool_))
    assert (everything.recall, everything.few, everything.subject, everything.silent) == (1, 1, 1, 0)
    truth_itself = figures.cut(dealt, lambda library: library.meant)
    assert (truth_itself.precision, truth_itself.recall, truth_itself.silent) == (1, 1, 1)


def test_true_probabilities_have_no_calibration_error_and_bold_ones_have() -> None:
    rng = np.random.default_rng(0)
    chances = rng.random(50_000)
    meant = rng.random(50_000) < chances
    assert figures.calibration_error(chances, meant) < 0.02
    assert figures.calibration_error(np.ones(50_000), meant) == pytest.approx(0.5, abs=0.02)
