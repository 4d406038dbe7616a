"""A photo and a query enter few files, so that a newcomer can read the whole way of each."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from support.routes import Routes, measure_routes

ATTEMPTS = 3


@dataclass(frozen=True)
class Limits:
    """As measured. Lower them when a route gets shorter; a file more needs a reason."""

    photo: int = 41
    """One of them for the tables of a model alone: there are those of two while the model is changed."""
    worker: int = 19
    query: int = 42


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Routes:
    """Return what some routes have in common: on a busy machine a timer, or another worker, may come in between."""
    found = measure_routes(tmp_path_factory.mktemp("routes"))
    for _ in range(ATTEMPTS - 1):
        if within(found):
            break
        other = measure_routes(tmp_path_factory.mktemp("routes"))
        found = Routes(
            photo=sorted({*found.photo} & {*other.photo}),
            worker=sorted({*found.worker} & {*other.worker}),
            query=sorted({*found.query} & {*other.query}),
        )
    return found


def within(routes: Routes) -> bool:
    most = Limits()
    return len(routes.photo) <= most.photo and len(routes.worker) <= most.worker and len(routes.query) <= most.query


def test_a_photo_and_a_query_enter_no_more_files_than_they_did(routes: Routes) -> None:
    for name in ("photo", "worker", "query"):
        files = getattr(routes, name)
        print(f"{name}: {len(files)} files", *files, sep="\n  ")  # pytest -rP shows them
    assert within(routes), "run `pytest -rP` on this file to see the routes"


def test_the_routes_are_those_of_the_work(routes: Routes) -> None:
    assert "adapters/store/lance.py" in routes.photo
    assert "adapters/images/decoder.py" in routes.worker
    assert {"cli/search_request.py", "domain/search/vector_index.py"} <= set(routes.query)
