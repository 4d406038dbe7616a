"""Loads the tower of a worker by the runtime that the daemon has planned, and imports no other.

A tower has run once when it is returned: it has loaded what it needs, and shows that it fits its model.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from phsearch.domain.types import DeviceChoice, RuntimePlan
from phsearch.errors import GraphError, ModelUnavailableError

if TYPE_CHECKING:
    from phsearch.domain.ports import ImageTower, TextTower

_ANY_TEXT = "a café"
"""The accent makes the tokenizer load what it needs for all texts but plain English."""


def load_image_tower(setup: dict[str, Any]) -> ImageTower:
    """Load the photos' tower. Raises ModelUnavailableError; GraphError where another runtime may be able to."""
    plan = RuntimePlan.of(setup["plan"])
    batch_size = setup.get("batch_size", 1)
    if plan.runtime == "openvino":
        from phsearch.adapters import openvino  # noqa: PLC0415 - only where it is the runtime

        try:
            return _run_once(openvino.load_image_tower(plan, batch_size=batch_size, threads=setup["threads"]))
        except RuntimeError as error:
            raise GraphError(openvino.reason(error)) from error
    clip = _import_clip(setup)
    try:
        loaded = clip.load_tower(setup["name"], setup["pretrained"], "image")
        tower: ImageTower = clip.OpenClipImageTower(
            loaded,
            device=plan.device,
            precision=setup["precision"],
            why=plan.why if plan.device == "cpu" else DeviceChoice(),
            batch_size=batch_size,
            gpu_memory_mb=setup.get("gpu_memory_mb", 0),
        )
        _run_once(tower)
    except (RuntimeError, AssertionError) as error:
        raise _not_on_device(setup, plan, error) from error
    if plan.device == "auto" and tower.device == "cpu":
        raise GraphError(tower.device_choice.device, tower.device_choice.remedy)
    return tower


def _run_once(tower: ImageTower) -> ImageTower:
    size = tower.info.preprocess
    tower.embed([np.zeros((size.height, size.width, 3), np.uint8)])
    return tower


def load_text_tower(setup: dict[str, Any]) -> TextTower:
    """Load the texts' tower. Raises ModelUnavailableError; GraphError where another runtime may be able to."""
    plan = RuntimePlan.of(setup["plan"])
    if plan.runtime == "openvino":
        from phsearch.adapters import openvino  # noqa: PLC0415 - only where it is the runtime

        try:
            text_tower = openvino.load_text_tower(plan, threads=setup["threads"])
            text_tower.embed([_ANY_TEXT])
        except RuntimeError as error:
            raise GraphError(openvino.reason(error)) from error
        return text_tower
    clip = _import_clip(setup)
    try:
        loaded = clip.load_tower(setup["name"], setup["pretrained"], "text")
        tower: TextTower = clip.OpenClipTextTower(loaded, device="cpu", precision=setup["precision"], why=plan.why)
        tower.embed([_ANY_TEXT])
    except (RuntimeError, AssertionError) as error:
        raise _not_on_device(setup, plan, error) from error
    return tower


def _import_clip(setup: dict[str, Any]) -> Any:
    # The loader goes online only when weights are missing: otherwise no hub must be asked first.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch  # noqa: PLC0415 - seconds, and after the environment is set

    if setup["threads"]:
        torch.set_num_threads(setup["threads"])
    from phsearch.adapters import clip  # noqa: PLC0415 - as above

    return clip


def _not_on_device(setup: dict[str, Any], plan: RuntimePlan, error: BaseException) -> ModelUnavailableError:
    """Return the error for a device that does not exist or a precision that it cannot compute with."""
    return ModelUnavailableError(
        f'model "{setup["name"]}" does not run on {plan.device} with {setup["precision"]} precision '
        f"({' '.join(str(error).split())[:160]})",
        'set model.device and model.precision to "auto"',
    )
