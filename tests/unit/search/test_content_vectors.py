"""The vectors of a model that is being prepared: by content, until they take the place of the others."""

from __future__ import annotations

import numpy as np
import pytest

from phsearch.domain.search.content_vectors import ContentVectors
from phsearch.domain.search.vector_index import VectorIndex, round_to_float16
from support.photos import photo

RANDOM = np.random.default_rng(7)
NAMES = [f"/p/{number}.jpg" for number in range(1_000)]
PHOTOS = [photo(name) for name in NAMES]
OLD = round_to_float16(RANDOM.normal(size=(len(NAMES), 4)).astype(np.float32))
NEW = round_to_float16(RANDOM.normal(size=(len(NAMES), 6)).astype(np.float32))


def test_a_vector_is_found_by_its_content_however_many_came_after_it() -> None:
    vectors = ContentVectors()
    assert (len(vectors), vectors.dim) == (0, 0)
    for start in range(0, len(PHOTOS), 7):
        vectors.put_vectors([each.digest for each in PHOTOS[start : start + 7]], NEW[start : start + 7])
    assert (len(vectors), vectors.dim) == (len(PHOTOS), 6)
    chosen = RANDOM.permutation(len(PHOTOS))[:50]
    np.testing.assert_array_equal(vectors.vectors([PHOTOS[row].digest for row in chosen]), NEW[chosen])
    assert PHOTOS[0].digest in vectors
    assert b"unheard" not in vectors
    with pytest.raises(KeyError):
        vectors.vectors([b"unheard"])


def test_the_first_vector_of_a_content_stays() -> None:
    vectors = ContentVectors()
    vectors.put_vectors([b"a", b"b"], NEW[:2])
    vectors.put_vectors([b"b", b"c", b"c"], NEW[2:5])
    np.testing.assert_array_equal(vectors.vectors([b"a", b"b"]), NEW[:2])
    assert len(vectors) == 3


def test_an_index_takes_the_vectors_of_another_model_and_gives_back_the_photos_that_have_none() -> None:
    index = VectorIndex()
    index.load(list(PHOTOS), OLD.copy())
    vectors = ContentVectors()
    kept = [row for row in range(len(PHOTOS)) if row % 10]
    vectors.put_vectors([PHOTOS[row].digest for row in kept], NEW[kept])
    lacking = index.replace_vectors(vectors)
    assert {each.path for each in lacking} == {name for row, name in enumerate(NAMES) if row % 10 == 0}
    assert sorted(index.paths()) == sorted(NAMES[row] for row in kept)
    np.testing.assert_array_equal(index.vectors([NAMES[row] for row in kept]), NEW[kept])
    query = NEW[1] / np.linalg.norm(NEW[1])
    assert index.scores(query).shape == (len(kept),)
    index.put_vector(PHOTOS[0], NEW[0])
    np.testing.assert_array_equal(index.vector(NAMES[0]), NEW[0])


def test_an_empty_index_takes_any_model() -> None:
    index = VectorIndex()
    assert index.replace_vectors(ContentVectors()) == []
    vectors = ContentVectors()
    vectors.put_vectors([PHOTOS[0].digest], NEW[:1])
    assert index.replace_vectors(vectors) == []
    index.put_vector(PHOTOS[0], NEW[0])
    np.testing.assert_array_equal(index.vector(NAMES[0]), NEW[0])
