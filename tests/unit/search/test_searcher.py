"""A search: one turn of the rank thread, the same order of errors, and photos that leave the library meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numpy as np
import pytest

from phsearch.domain.library import Library
from phsearch.domain.roots.roots import Roots
from phsearch.domain.search.filters import FilterCompiler
from phsearch.domain.search.relevance import UNCALIBRATED, Calibration, Curve
from phsearch.domain.search.vector_index import VectorIndex
from phsearch.errors import NotReadyError, QueryError
from phsearch.service.search.query_embedder import QueryEmbedder, TextVectorCache
from phsearch.service.search.searcher import Searcher, SearchRequest
from phsearch.service.threads import SerialExecutor
from support.photos import photo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from phsearch.domain.types import Vectors
    from phsearch.service.search.searcher import SearchResults
    from phsearch.service.workers.model_state import ModelState

_P = ParamSpec("_P")
_T = TypeVar("_T")

AXES = np.eye(4, dtype=np.float32)
WORDS: dict[str, Vectors] = {"red": AXES[0], "green": AXES[1], "blue": AXES[2]}
NAMES = ("red", "green", "blue")


class CountingExecutor(SerialExecutor):
    """Counts the turns of its thread."""

    turns = 0

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
        """Count, and run as usual."""
        self.turns += 1
        future: asyncio.Future[_T] = super().submit(call, *args, **kwargs)
        return future


class FakeModel:
    """A model state: ready, or not."""

    logit_scale = 100.0

    english_only = False
    name = "fake"
    epoch = 0

    def __init__(self) -> None:
        self.problem: Exception | None = None

    def check_ready(self) -> None:
        """Raise the problem, if there is one."""
        if self.problem is not None:
            raise self.problem


class Rig:
    """A searcher over three photos, one for each word, each on an axis of its own."""

    def __init__(self, outside: Mapping[str, Vectors] | None = None) -> None:
        self.library = Library(
            [photo(f"/p/{name}.jpg", taken_at=f"202{number}-01-01T00:00:00") for number, name in enumerate(NAMES)]
        )
        self.index = VectorIndex()
        self.index.load(self.library.photos(), AXES[:3].copy())
        self.model = FakeModel()
        self.executor = CountingExecutor("rank")
        self.durations: list[float] = []
        self.outside = dict(outside or {})
        self.embedded: list[str] = []
        self.before_embedding: Callable[[], None] = lambda: None
        roots = Roots(["/p"])
        self.searcher = Searcher(
            query_embedder=QueryEmbedder(
                text_vectors=TextVectorCache(self, cast("ModelState", self.model)),
                image_embedder=self,
                model=cast("ModelState", self.model),
                library=self.library,
                index=self.index,
                home="/home/me",
            ),
            filter_compiler=FilterCompiler(roots, "/home/me"),
            library=self.library,
            index=self.index,
            rank_executor=self.executor,
            roots=roots,
            calibration=lambda: UNCALIBRATED,
            model=cast("ModelState", self.model),
            record_duration=self.durations.append,
            today=lambda: dt.date(2024, 3, 1),
        )

    async def embed(self, text: str) -> Vectors:
        """Return the vector of a word."""
        await asyncio.sleep(0)
        self.before_embedding()
        return WORDS[text]

    async def image_vector(self, path: str) -> Vectors:
        """Return the vector of a file outside the library."""
        await asyncio.sleep(0)
        self.embedded.append(path)
        return self.outside[path]

    def remove(self, path: str) -> None:
        """Remove a photo, as the photo index does."""
        self.library.remove_photo(path)
        self.executor.submit_logged(self.index.remove_path, path)

    async def search(self, query: str, **options: Any) -> SearchResults:
        """Search."""
        return await self.searcher.search(SearchRequest(query=query, **options))


def run(scenario: Callable[[Rig], Awaitable[None]], **outside: Vectors) -> None:
    async def within_a_loop() -> None:
        rig = Rig({f"/elsewhere/{name}.jpg": vector for name, vector in outside.items()})
        try:
            await scenario(rig)
        finally:
            rig.executor.close()

    asyncio.run(within_a_loop())


def paths(results: SearchResults) -> list[str]:
    return [hit.photo.path.rpartition("/")[2] for hit in results.hits]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("red", "red.jpg"),
        ("green in:p", "green.jpg"),
        ("like:/p/blue.jpg", "blue.jpg"),
        ("red like:/p/green.jpg^3", "green.jpg"),
        ('red "blue"^2 -like:/elsewhere/red.jpg', "blue.jpg"),
        ("in:p", "blue.jpg"),
    ],
)
@pytest.mark.parametrize("collapse", [False, True])
def test_a_query_takes_one_turn_of_the_rank_thread(query: str, best: str, collapse: bool) -> None:  # noqa: FBT001
    async def scenario(rig: Rig) -> None:
        results = await rig.search(query, collapse=collapse)
        assert rig.executor.turns == 1
        assert paths(results)[0] == best
        assert len(rig.durations) == 1

    run(scenario, red=AXES[0])


def test_the_rank_of_one_photo_takes_one_turn_too() -> None:
    async def scenario(rig: Rig) -> None:
        answer = await rig.searcher.rank_of("red like:/p/green.jpg^3", "/p/red.jpg")
        assert answer is not None
        assert (answer[0].rank, answer[0].total, answer[1]) == (2, 3, None)
        assert rig.executor.turns == 1

    run(scenario)


@pytest.mark.parametrize(
    ("query", "name", "rank"),
    [
        ("date:2021..", "blue", (1, 2, True)),
        ("date:2021..", "green", (2, 2, True)),
        ("date:2021..", "red", (3, 2, False)),
        ("-date:2021", "green", (2, 2, False)),
        ("in:p", "red", (3, 3, True)),
        ("in:p date:1999", "red", (1, 0, False)),
    ],
)
def test_without_words_the_rank_is_the_place_by_date(query: str, name: str, rank: tuple[int, int, bool]) -> None:
    async def scenario(rig: Rig) -> None:
        rig.model.problem = NotReadyError("the model is loading")
        answer = await rig.searcher.rank_of(query, f"/p/{name}.jpg")
        assert answer is not None
        found, band, _ = answer
        assert (found.rank, found.total, found.passes) == rank
        assert (found.by_date, found.photo.score, band) == (True, 0.0, None)
        assert rig.executor.turns == 1
        if found.passes:
            assert paths(await rig.search(query))[found.rank - 1] == f"{name}.jpg"

    run(scenario)


def calibration(own: float) -> Calibration:
    """Return one by which other photos have the relevance 0.12; the photo of a word has `own` more, in logits."""
    curve = Curve(base=-2, own=own, spread=0, size=0, usual_mean=0, usual_std=1)
    mean, covariance = np.zeros(AXES.shape[1], np.float32), np.eye(AXES.shape[1], dtype=np.float32)
    return Calibration(words=curve, photo=curve, strong=0.5, likely=0.3, weak=0.1, mean=mean, covariance=covariance)


def test_weak_photos_are_shown_beside_better_ones_and_not_alone() -> None:
    async def scenario(rig: Rig) -> None:
        rig.searcher.calibration = lambda: calibration(own=0.5)
        alone = await rig.search("red", min_band="weak")
        assert (paths(alone), alone.hidden) == ([], 3)
        assert [hit.photo.path for hit in alone.nearest] == ["/p/red.jpg", "/p/blue.jpg", "/p/green.jpg"]
        assert len((await rig.search("red", min_relevance=0.1)).hits) == 3, "who names a probability gets it"
        answer = await rig.searcher.rank_of("red", "/p/red.jpg")
        assert answer is not None
        assert answer[1:] == ("weak", "weak")
        rig.searcher.calibration = lambda: calibration(own=2.5)
        beside = await rig.search("red", min_band="weak")
        assert (paths(beside)[0], [hit.band for hit in beside.hits]) == ("red.jpg", ["strong", "weak", "weak"])
        assert beside.nearest == []
        filtered = await rig.search("red date:2021..", min_band="weak")
        assert len(filtered.hits) == 2, "a filter takes photos away, and changes nothing else"

    run(scenario)


def test_near_duplicates_are_collapsed_in_the_same_turn() -> None:
    async def scenario(rig: Rig) -> None:
        red = rig.library.photos()[0]
        copy = photo("/p/copy.jpg", red.digest)
        rig.library.put_photo(copy)
        rig.index.put_vector(copy, AXES[0])
        results = await rig.search("red", collapse=True)
        assert paths(results) == ["copy.jpg", "blue.jpg", "green.jpg"]
        assert [hit.more for hit in results.hits] == [1, 0, 0]
        assert rig.executor.turns == 1

    run(scenario)


def test_a_misspelt_name_is_reported_before_anything_that_is_wrong_with_the_model() -> None:
    async def scenario(rig: Rig) -> None:
        rig.model.problem = NotReadyError("still loading")
        with pytest.raises(QueryError, match="no photos in a folder"):
            await rig.search("red in:Nowhere")
        with pytest.raises(NotReadyError):
            await rig.search("red in:p")
        assert (await rig.search("in:p")).matching == 3, "filters need no model"
        assert rig.searcher.refused == 2
        assert len(rig.durations) == 1

    run(scenario)


def test_a_misspelt_name_is_reported_before_aims_that_cancel_out() -> None:
    async def scenario(rig: Rig) -> None:
        with pytest.raises(QueryError, match="no photos in a folder"):
            await rig.search('red -"red" in:Nowhere')
        with pytest.raises(QueryError, match="cancel each other out"):
            await rig.search('red -"red"')

    run(scenario)


def test_a_photo_that_leaves_the_library_while_words_are_embedded_is_embedded_itself() -> None:
    async def scenario(rig: Rig) -> None:
        rig.outside["/p/green.jpg"] = AXES[1]
        rig.before_embedding = lambda: rig.remove("/p/green.jpg")
        results = await rig.search("blue like:/p/green.jpg")
        assert rig.embedded == ["/p/green.jpg"]
        assert paths(results) == ["blue.jpg", "red.jpg"]

    run(scenario)


def test_a_photo_that_is_removed_right_after_the_query_was_embedded_still_counts() -> None:
    async def scenario(rig: Rig) -> None:
        free = threading.Event()
        rig.executor.submit_logged(free.wait, 10)
        searching = asyncio.ensure_future(rig.search("like:/p/green.jpg"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert rig.executor.turns == 2, "the search is queued"
        rig.remove("/p/green.jpg")
        free.set()
        results = await searching
        assert rig.embedded == []
        assert results.matching == 3
        assert "green.jpg" not in paths(results), "the library is asked again before a hit is shown"

    run(scenario)


def test_a_photo_that_is_renamed_while_it_is_ranked_is_shown_by_its_new_name() -> None:
    async def scenario(rig: Rig) -> None:
        free = threading.Event()
        rig.executor.submit_logged(free.wait, 10)
        searching = asyncio.ensure_future(rig.search("green in:p", limit=1))
        for _ in range(5):
            await asyncio.sleep(0)
        moved = rig.library.move_photo("/p/green.jpg", "/p/renamed.jpg", "/p")
        assert moved is not None
        rig.executor.submit_logged(rig.index.rename_path, "/p/green.jpg", moved)
        free.set()
        assert paths(await searching) == ["renamed.jpg"]

    run(scenario)


def test_a_query_is_embedded_again_when_the_model_changes_meanwhile() -> None:
    async def scenario(rig: Rig) -> None:
        asked: list[int] = []

        def change_once() -> None:
            asked.append(rig.model.epoch)
            rig.model.epoch = 1

        rig.before_embedding = change_once
        assert paths(await rig.search("red"))[0] == "red.jpg"
        assert asked == [0, 1], "the vector of the former model is neither used nor remembered"

    run(scenario)
