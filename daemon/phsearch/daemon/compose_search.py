"""Build what searches by a model: the one that answers, or one that is being prepared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.adapters.files.caption_file import read_captioned
from phsearch.adapters.state import calibration_file
from phsearch.domain import file_type
from phsearch.domain.search.filters import FilterCompiler
from phsearch.service.search.captioned_calibration import CaptionedCalibration
from phsearch.service.search.image_query import ImageQueryEmbedder
from phsearch.service.search.query_embedder import QueryEmbedder, TextVectorCache
from phsearch.service.search.searcher import CalibrationCache, Searcher
from phsearch.service.search.self_calibration import SelfCalibration

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.library import Library
    from phsearch.domain.roots.roots import Roots
    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.search.vector_index import VectorIndex
    from phsearch.domain.types import ModelIdentity
    from phsearch.paths import StateFolder
    from phsearch.service.threads import SerialExecutor
    from phsearch.service.workers.model_state import ModelState
    from phsearch.service.workers.on_demand import OnDemandWorker
    from phsearch.service.workers.text_worker import TextWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParts:
    """What searches by a model, and what calibrates that model on photos with captions."""

    searcher: Searcher
    calibrating: CaptionedCalibration


@dataclass(frozen=True, slots=True, kw_only=True)
class SearcherFactory:
    """Makes searchers of the same library. `home` is the owner's home folder."""

    library: Library
    roots: Roots
    state: StateFolder
    home: str

    def new_searcher(
        self,
        *,
        model: ModelState,
        text_worker: TextWorker,
        like_worker: OnDemandWorker,
        index: VectorIndex,
        executor: SerialExecutor,
        record_duration: Callable[[float], None] = lambda _seconds: None,
        is_indexed: Callable[[str], bool] | None = None,
    ) -> SearchParts:
        """Return what ranks `index` by this model, on its thread; `is_indexed` as of `QueryEmbedder`."""
        text_vectors = TextVectorCache(text_worker, model)
        image_embedder = ImageQueryEmbedder(
            worker=like_worker,
            bound=lambda: model.bound,
            in_library=lambda path: self.roots.root_of(path) is not None,
            is_picture=lambda data: file_type.detect(data) is not None,
        )
        query_embedder = QueryEmbedder(
            text_vectors=text_vectors,
            image_embedder=image_embedder,
            model=model,
            library=self.library,
            index=index,
            home=self.home,
            library_name=self.roots.library_name,
            is_indexed=is_indexed,
        )
        calibration = CalibrationCache(model, lambda identity: calibration_file.find(identity, self.state))

        def save(identity: ModelIdentity, made: Calibration) -> None:
            calibration_file.keep(made, identity, self.state)

        self_calibration = SelfCalibration(
            model=model,
            text_vectors=text_vectors,
            index=index,
            rank_executor=executor,
            save=save,
            made=calibration.forget,
        )
        calibrating = CaptionedCalibration(
            model=model,
            text_vectors=text_vectors,
            image_embedder=image_embedder,
            read=read_captioned,
            save=save,
            made=calibration.forget,
        )
        searcher = Searcher(
            query_embedder=query_embedder,
            filter_compiler=FilterCompiler(self.roots, self.home),
            library=self.library,
            index=index,
            rank_executor=executor,
            roots=self.roots,
            calibration=calibration,
            consider_calibrating=self_calibration.consider,
            model=model,
            record_duration=record_duration,
        )
        return SearchParts(searcher=searcher, calibrating=calibrating)
