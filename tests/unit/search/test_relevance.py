"""A relevance is a probability that grows with the cosine; without a calibration there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phsearch.adapters.state import calibration_file
from phsearch.adapters.state.calibration_file import CalibrationError
from phsearch.domain.search.relevance import UNCALIBRATED, Calibration, Curve, probabilities, score_std
from phsearch.domain.search.search import combine_vectors, softmax_shares
from phsearch.domain.types import ModelName
from phsearch.paths import StateFolder

DIM = 8
WORDS = Curve(base=-1, own=16, spread=-50, size=-0.5, usual_mean=0.05, usual_std=0.06)
PHOTO = Curve(base=-5, own=12, spread=-2, size=-0.6, usual_mean=0.2, usual_std=0.1)


def unit(seed: int, rows: int = 1) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)
    normal: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return normal


REFERENCE = unit(0, 500)
CALIBRATION = Calibration(
    words=WORDS,
    photo=PHOTO,
    strong=0.5,
    likely=0.3,
    weak=0.15,
    templates=("{}", "a {}"),
    mean=REFERENCE.mean(axis=0),
    covariance=np.cov(REFERENCE.T).astype(np.float32),
)


@given(st.integers(0, 10_000), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_probabilities_lie_between_0_and_1_and_grow_with_the_cosine(seed: int, count: int) -> None:
    query, photos = unit(seed)[0], unit(seed + 1, count)
    scores = photos @ query
    found = probabilities(CALIBRATION, query, scores, "words")
    assert found is not None
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(scores, kind="stable")]) >= -1e-12).all()


def test_a_library_of_one_photo_or_of_the_same_photo_many_times_has_relevances() -> None:
    query = unit(1)[0]
    for scores in (np.array([0.4], np.float32), np.full(100, 0.4, np.float32)):
        found = probabilities(CALIBRATION, query, scores, "photo")
        assert found is not None
        assert np.isfinite(found).all()
        assert len(set(found.tolist())) == 1


def test_many_good_hits_do_not_lower_each_other() -> None:
    query = unit(1)[0]
    few = np.full(1000, 0.1, np.float32)
    few[0] = 0.9
    alone = probabilities(CALIBRATION, query, few, "words")
    crowded = probabilities(CALIBRATION, query, np.full(1000, 0.9, np.float32), "words")
    assert alone is not None
    assert crowded is not None
    assert crowded[0] == alone[0]


def test_among_more_photos_the_same_score_says_less_up_to_a_size() -> None:
    query = unit(1)[0]
    found = [
        probabilities(CALIBRATION, query, np.full(size, 0.3, np.float32), "words") for size in (1, 10, 100, 10_000)
    ]
    one, ten, hundred, most = (float(each[0]) for each in found if each is not None)
    assert one == ten > hundred > most
    beyond = probabilities(CALIBRATION, query, np.full(20_000, 0.3, np.float32), "words")
    assert beyond is not None
    assert beyond[0] == most


def test_the_scores_of_several_aims_are_judged_by_their_distance_from_photos_in_general() -> None:
    query = unit(1)[0]
    mean, std = float((REFERENCE @ query).mean()), float((REFERENCE @ query).std())
    scores = np.array([mean + 2 * std], np.float32)
    combined = probabilities(CALIBRATION, query, scores, "words", combined=True)
    usual = WORDS.logits(np.array([WORDS.usual_mean + 2 * WORDS.usual_std]), WORDS.usual_std, 1)
    assert combined is not None
    assert combined[0] == pytest.approx(1 / (1 + np.exp(-usual[0])), rel=0.01)


def test_a_model_without_a_calibration_has_no_relevances() -> None:
    assert probabilities(UNCALIBRATED, unit(1)[0], np.array([0.9], np.float32), "words") is None
    assert not UNCALIBRATED.fitted


def test_bands_begin_at_their_thresholds() -> None:
    assert [CALIBRATION.band(p) for p in (1, 0.5, 0.49, 0.3, 0.15, 0.149, 0)] == [
        "strong", "strong", "likely", "likely", "weak", "none", "none"
    ]  # fmt: skip
    assert CALIBRATION.threshold("likely") == 0.3


def test_a_clear_winner_has_nearly_the_whole_softmax() -> None:
    found = softmax_shares([0.49, 0.17, 0.15], 23.4)
    assert found[0] > 0.99
    assert sum(found) == pytest.approx(1)
    assert softmax_shares([], 100) == []


# --- several aims ---------------------------------------------------------------------------------------------------


def test_a_photo_does_not_outweigh_the_words_beside_it() -> None:
    words, photo = np.eye(DIM, dtype=np.float32)[:2]
    # Cosines with a photo spread five times as widely: in the sum both have the same weight.
    combined = combine_vectors(np.stack([words, photo]), [1, 1], np.array([0.05, 0.25], np.float32))
    assert combined is not None
    assert combined @ words * 0.05 == pytest.approx(combined @ photo * 0.25)
    assert np.linalg.norm(combined) == pytest.approx(1)


def test_away_from_something_is_its_opposite_and_weights_count() -> None:
    one, other = np.eye(DIM, dtype=np.float32)[:2]
    combined = combine_vectors(np.stack([one, other]), [2, -1], np.ones(2, np.float32))
    assert combined is not None
    assert combined @ one == pytest.approx(-2 * (combined @ other))


def test_aims_that_cancel_out_have_no_vector() -> None:
    one = unit(3)
    assert combine_vectors(np.concatenate([one, one]), [1, -1], np.ones(2, np.float32)) is None


def test_standard_deviations_come_from_the_reference_or_else_from_the_library() -> None:
    aims = unit(5, 3)
    known = score_std(CALIBRATION, aims, np.empty((0, 3), np.float32))
    np.testing.assert_allclose(known, (REFERENCE @ aims.T).std(axis=0, ddof=1), rtol=1e-4)
    library = unit(6, 100) @ aims.T
    np.testing.assert_allclose(score_std(UNCALIBRATED, aims, library), library.std(axis=0), rtol=1e-5)
    assert score_std(UNCALIBRATED, aims, library[:5]).tolist() == [1, 1, 1]


# --- on disk --------------------------------------------------------------------------------------------------------


def test_a_calibration_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    calibration_file.save(file, CALIBRATION, "weights")
    found = calibration_file.load(file, "weights", DIM)
    assert found is not None
    assert (found.words, found.photo, found.strong, found.templates) == (WORDS, PHOTO, 0.5, ("{}", "a {}"))
    for kept, known in ((found.mean, CALIBRATION.mean), (found.covariance, CALIBRATION.covariance)):
        assert kept is not None
        assert known is not None
        np.testing.assert_allclose(kept, known, atol=1e-3)


def test_a_missing_calibration_is_none_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.safetensors"
    assert calibration_file.load(file, "weights", DIM) is None
    calibration_file.save(file, CALIBRATION, "weights")
    with pytest.raises(CalibrationError, match="other weights"):
        calibration_file.load(file, "others", DIM)
    with pytest.raises(CalibrationError, match="another length"):
        calibration_file.load(file, "weights", DIM + 1)
    former = file.read_bytes().replace(b"spread", b"former")
    file.write_bytes(former)
    with pytest.raises(CalibrationError, match="another version of phsearch"):
        calibration_file.load(file, "weights", DIM)
    calibration_file.save(file, CALIBRATION, "weights")
    for damage in (b"", b"{}", file.read_bytes()[:-100], b"\xff" * 1000):
        file.write_bytes(damage)
        with pytest.raises(CalibrationError, match="damaged"):
            calibration_file.load(file, "weights", DIM)


def test_the_bundled_model_has_the_calibration_of_its_weights() -> None:
    mini = Path(calibration_file.__file__).parents[2] / "models" / "mini"
    (file,) = (
        each for each in calibration_file.places(ModelName("mini"), StateFolder(Path("/nowhere"))) if each.exists()
    )
    assert file.parent == mini
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"{digest}  {file.name}" in (mini / "SHA256SUMS").read_text().splitlines()
    assert file.stat().st_size < 400_000


def test_the_calibration_of_another_model_is_in_the_state_folder() -> None:
    (own,) = calibration_file.places(ModelName("ViT-B-32", "laion2b_s34b_b79k"), StateFolder(Path("/state")))
    assert str(own) == "/state/calibrations/vit_b_32_laion2b_s34b_b79k.safetensors"
    assert [
        str(each) for each in calibration_file.places(ModelName("local-dir:/models/x"), StateFolder(Path("/state")))
    ] == [
        "/state/calibrations/local_dir_models_x.safetensors",
        "/models/x/calibration.safetensors",
    ]
