"""Which calibration judges the hits: that of the model the index is bound to, if there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phsearch.domain.search.relevance import UNCALIBRATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.search.relevance import Calibration
    from phsearch.domain.types import ModelIdentity

log = logging.getLogger("phsearch.query")


class CalibrationCache:
    """Looks up the calibration once for each model; `load` returns None where there is none."""

    def __init__(
        self, bound: Callable[[], ModelIdentity | None], load: Callable[[ModelIdentity], Calibration | None]
    ) -> None:
        self._bound = bound
        self._load = load
        self._identity: ModelIdentity | None = None
        self._calibration = UNCALIBRATED

    def __call__(self) -> Calibration:
        """Return the calibration of the bound model, UNCALIBRATED if it has none."""
        identity = self._bound()
        if identity is not None and identity != self._identity:
            self._identity = identity
            self._calibration = self._load(identity) or UNCALIBRATED
            if not self._calibration.fitted:
                log.info("the model is not calibrated: hits have scores but no relevance, and none are cut off")
        return self._calibration
