"""What `status` says of a change of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from phsearch.domain.model.catalog import find_model, index_mb
from phsearch.errors import PhsearchError
from phsearch.wire.results.daemon import SwitchStatus

if TYPE_CHECKING:
    from phsearch.domain.types import ModelName
    from phsearch.service.model_switch.backfill import Backfill
    from phsearch.service.model_switch.staged import StagedModel

    State = Literal["loading", "downloading", "indexing", "waiting", "completing", "unavailable"]


def describe(
    *,
    target: ModelName,
    staged: StagedModel | None,
    backfill: Backfill | None,
    photos: int,
    rate: float,
    completing: bool,
) -> SwitchStatus:
    """Return the state of a change to `target`. `backfill` works when the model is loaded; `rate` is its speed."""
    lacking, offline = (min(backfill.lacking, photos), backfill.offline) if backfill else (photos, 0)
    state, problem = _state(staged, backfill, completing=completing)
    known, bound = find_model(target), staged.state.bound if staged else None
    dim = bound.dim if bound else known.dim if known else 0
    return SwitchStatus(
        name=target.name,
        pretrained=target.pretrained,
        state=state,
        done=photos - lacking,
        total=photos,
        offline=offline,
        failed=backfill.failed if backfill else 0,
        rate=round(rate, 2),
        eta=round(max(lacking - offline, 0) / rate) if rate > 0 and state == "indexing" else None,
        download=staged.state.download.report() if staged else None,
        download_mb=known.download_mb if known else None,
        index_mb=round(index_mb(photos, dim), 1) if dim else None,
        reason=str(problem) if problem else None,
        hint=problem.hint if problem else None,
    )


def describe_refusal(model: ModelName, problem: PhsearchError, photos: int) -> SwitchStatus:
    """Return why there is no change to a model."""
    return SwitchStatus(
        name=model.name,
        pretrained=model.pretrained,
        state="unavailable",
        done=0,
        total=photos,
        reason=str(problem),
        hint=problem.hint,
    )


def _state(
    staged: StagedModel | None, backfill: Backfill | None, *, completing: bool
) -> tuple[State, PhsearchError | None]:
    """Return the state, and the problem that keeps the change from going on."""
    if staged is None or completing:
        return "completing" if completing else "loading", None
    if staged.state.problem is not None:
        return "unavailable", staged.state.problem
    if backfill is None:
        return "downloading" if staged.state.download.report() else "loading", None
    if (problem := staged.image_worker.problem or backfill.problem) is not None:
        return "waiting", problem
    if backfill.lacking and backfill.offline == backfill.lacking:
        away = f"{backfill.offline:,} photos are on disks that are not there"
        return "waiting", PhsearchError(away, "connect them, and it goes on")
    return "indexing", None
