"""Loads the tower of a worker by the runtime that the daemon has planned, and imports no other.

A tower has run once when it is returned: it has loaded what it needs, and shows that it fits its model.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from phsearch.domain.types import DeviceChoice
from phsearch.errors import GraphError, ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phsearch.domain.ports import ImageTower, TextTower
    from phsearch.domain.types import RuntimePlan
    from phsearch.service.workers.command import WorkerSetup

_ANY_TEXT = "a café"
"""The accent makes the tokenizer load what it needs for all texts but plain English."""


def load_image_tower(setup: WorkerSetup) -> ImageTower:
    """Load the photos' tower. Raises ModelUnavailableError; GraphError where another runtime may be able to."""
    plan = setup.plan
    tower: ImageTower
    with _explained_errors(setup, plan):
        if plan.runtime == "openvino":
            from phsearch.adapters import openvino  # noqa: PLC0415 - only where it is the runtime

            tower = openvino.load_image_tower(plan, batch_size=setup.batch_size, threads=setup.threads)
        else:
            clip = _import_clip(setup)
            tower = clip.OpenClipImageTower(
                clip.load_tower(setup.name, setup.pretrained, "image"),
                device=plan.device,
                precision=setup.precision,
                why=plan.why if plan.device == "cpu" else DeviceChoice(),
                batch_size=setup.batch_size,
                gpu_memory_mb=setup.gpu_memory_mb,
            )
        size = tower.info.preprocess
        tower.embed([np.zeros((size.height, size.width, 3), np.uint8)])
    if plan.device == "auto" and tower.device == "cpu":
        raise GraphError(tower.device_choice.device, tower.device_choice.remedy)
    return tower


def load_text_tower(setup: WorkerSetup) -> TextTower:
    """Load the texts' tower. Raises ModelUnavailableError; GraphError where another runtime may be able to."""
    plan = setup.plan
    tower: TextTower
    with _explained_errors(setup, plan):
        if plan.runtime == "openvino":
            from phsearch.adapters import openvino  # noqa: PLC0415 - only where it is the runtime

            tower = openvino.load_text_tower(plan, threads=setup.threads)
        else:
            clip = _import_clip(setup)
            loaded = clip.load_tower(setup.name, setup.pretrained, "text")
            tower = clip.OpenClipTextTower(loaded, device="cpu", precision=setup.precision, why=plan.why)
        tower.embed([_ANY_TEXT])
    return tower


@contextlib.contextmanager
def _explained_errors(setup: WorkerSetup, plan: RuntimePlan) -> Iterator[None]:
    """Turn the errors of a runtime that cannot run the model into those that a worker reports."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        if plan.runtime == "openvino":
            raise GraphError(str(error)) from error
        # A device that does not exist, or a precision that it cannot compute with.
        raise ModelUnavailableError(
            f'model "{setup.name}" does not run on {plan.device} with {setup.precision} precision '
            f"({' '.join(str(error).split())[:160]})",
            'set model.device and model.precision to "auto"',
        ) from error


def _import_clip(setup: WorkerSetup) -> Any:
    # A worker of its own has downloaded what is needed.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch  # noqa: PLC0415 - seconds, and after the environment is set

    if setup.threads:
        torch.set_num_threads(setup.threads)
    from phsearch.adapters import clip  # noqa: PLC0415 - as above

    return clip
