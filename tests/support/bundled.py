"""The bundled model in this process, as its workers run it: without torch, in full precision."""

from __future__ import annotations

from phsearch.adapters import openvino
from phsearch.domain.types import RuntimePlan
from phsearch.model_files import BUNDLED


def bundled_plan(name: str = "mini") -> RuntimePlan:
    """Return the plan for the processor of any machine."""
    return RuntimePlan.plain(str(BUNDLED[name]))


def bundled_image_tower(name: str = "mini") -> openvino.GraphImageTower:
    """Return the photos' tower."""
    return openvino.load_image_tower(bundled_plan(name))


def bundled_text_tower(name: str = "mini") -> openvino.GraphTextTower:
    """Return the texts' tower."""
    return openvino.load_text_tower(bundled_plan(name))
