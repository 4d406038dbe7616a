"""The models to choose from, and the change from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from phsearch.domain.model.catalog import CATALOG, find_model, resolve_name
from phsearch.wire.results.model import ModelCalibration, ModelChange, ModelEntry, ModelList, RemovedModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.library import Library
    from phsearch.domain.types import ModelName
    from phsearch.service.model_switch.speed import Speed, SpeedMeasurement
    from phsearch.service.model_switch.switcher import ModelSwitch
    from phsearch.service.rpc.dispatcher import Handlers
    from phsearch.service.search.captioned_calibration import CaptionedCalibration

_PHOTOS = 100_000


class ModelMethods:
    """`model.list`, `model.use`, `model.cancel`, `model.remove`, `model.calibrate`."""

    def __init__(
        self,
        *,
        switch: ModelSwitch,
        library: Library,
        speed: SpeedMeasurement,
        has_matrix_unit: Callable[[], bool],
        calibrating: CaptionedCalibration,
    ) -> None:
        """`has_matrix_unit` says whether photos are embedded by a unit for matrices, such as AMX or CUDA."""
        self._switch = switch
        self._library = library
        self._speed = speed
        self._has_matrix_unit = has_matrix_unit
        self._calibrating = calibrating

    @property
    def handlers(self) -> Handlers:
        """The methods by name."""
        return {
            "model.list": self._list,
            "model.use": self._use,
            "model.cancel": self._cancel,
            "model.remove": self._remove,
            "model.calibrate": self._calibrate,
        }

    async def _list(self, *, measure: bool) -> ModelList:
        sizes = await self._switch.index_sizes()
        speed = await self._speed.measure() if measure else None
        named = [each.model for each in CATALOG]
        others = [self._switch.active, *([self._switch.target] if self._switch.busy else []), *sizes]
        models = dict.fromkeys([*named, *others])
        return ModelList(
            models=tuple(self._entry(model, sizes, speed) for model in models),
            photos=len(self._library),
            measured=speed.photos if speed else 0,
        )

    def _entry(self, model: ModelName, sizes: dict[ModelName, int], speed: Speed | None) -> ModelEntry:
        known, active = find_model(model), find_model(self._switch.active)
        size = sizes.get(model)
        seconds = None
        if speed is not None and known is not None and active is not None:
            each, own = (
                (known.matrix_cost, active.matrix_cost) if self._has_matrix_unit() else (known.cost, active.cost)
            )
            seconds = round(speed.estimate(len(self._library), each / own), 1)
        return ModelEntry(
            name=model.name,
            pretrained=model.pretrained,
            preset=known.preset if known else "",
            state=self._state(model, sizes),
            languages=known.languages if known else "",
            download_mb=known.download_mb if known else None,
            disk_mb=round(known.disk_mb(_PHOTOS), 1) if known else None,
            ram_mb=round(known.ram_mb(_PHOTOS)) if known else None,
            quality=known.quality if known else "",
            seconds=seconds,
            index_mb=None if size is None else round(size / 1e6, 1),
            forgotten_at=self._switch.forgotten_at(model),
        )

    def _state(self, model: ModelName, sizes: dict[ModelName, int]) -> Literal["", "active", "preparing", "kept"]:
        if model == self._switch.active:
            return "active"
        if self._switch.busy and model == self._switch.target:
            return "preparing"
        return "kept" if model in sizes else ""

    async def _use(self, *, name: str, pretrained: str) -> ModelChange:
        await self._switch.choose(resolve_name(name, pretrained))
        return self._change()

    async def _cancel(self) -> ModelChange:
        await self._switch.cancel()
        return self._change()

    async def _remove(self, *, name: str, pretrained: str) -> RemovedModel:
        model = resolve_name(name, pretrained)
        freed = await self._switch.remove(model)
        return RemovedModel(name=model.name, pretrained=model.pretrained, bytes=freed)

    async def _calibrate(self, *, folder: str) -> ModelCalibration:
        made = await self._calibrating.calibrate(folder)
        return ModelCalibration(
            name=made.model.name,
            pretrained=made.model.pretrained,
            photos=made.photos,
            skipped=made.skipped,
            queries=made.queries,
        )

    def _change(self) -> ModelChange:
        active = self._switch.active
        return ModelChange(name=active.name, pretrained=active.pretrained, switch=self._switch.report())
