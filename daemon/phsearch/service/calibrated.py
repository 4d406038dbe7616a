"""Which calibration judges the hits: that of the model the index is bound to, if there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phsearch.domain.relevance import UNCALIBRATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.relevance import Calibration
    from phsearch.domain.types import ModelIdentity

log = logging.getLogger("phsearch.query")


class Calibrated:
    """Looked up once for each model; `load` gives None where there is none for it."""

    def __init__(
        self, bound: Callable[[], ModelIdentity | None], load: Callable[[ModelIdentity], Calibration | None]
    ) -> None:
        self._bound = bound
        self._load = load
        self._of: ModelIdentity | None = None
        self._found = UNCALIBRATED

    def __call__(self) -> Calibration:
        """Give it."""
        identity = self._bound()
        if identity is not None and identity != self._of:
            self._of = identity
            self._found = self._load(identity) or UNCALIBRATED
            if not self._found.fitted:
                log.info("the model is not calibrated: hits have scores but no relevance, and none are cut off")
        return self._found
