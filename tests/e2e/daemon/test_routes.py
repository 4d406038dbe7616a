"""A photo and a query enter few files, so that a newcomer can read the whole way of each."""

from __future__ import annotations

import pytest

from support.routes import Routes, measure_routes

PHOTO_FILES = 40
QUERY_FILES = 42


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Routes:
    return measure_routes(tmp_path_factory.mktemp("routes"))


def test_a_photo_enters_few_files(routes: Routes) -> None:
    assert len(routes.photo) <= PHOTO_FILES, "\n".join(routes.photo)


def test_a_query_enters_few_files(routes: Routes) -> None:
    assert len(routes.query) <= QUERY_FILES, "\n".join(routes.query)


def test_the_routes_are_those_of_the_work(routes: Routes) -> None:
    assert "adapters/store/lance.py" in routes.photo
    assert "adapters/images/decoder.py" in routes.worker
    assert {"cli/search_request.py", "domain/search/vector_index.py"} <= set(routes.query)
