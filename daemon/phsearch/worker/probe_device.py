"""A short-lived worker: measures whether a model is faster on another device or with another precision, and the same.

It has a process of its own because a driver may hang, or take the process down.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters import openvino
from phsearch.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.ports import ImageTower
    from phsearch.domain.types import Pixels, Vectors
    from phsearch.service.workers.command import WorkerSetup
    from phsearch.service.workers.frames import WorkerChannel

_PICTURES = 8
_TIMED = 4
_ROUNDS, _ENOUGH_SECONDS = 3, 0.25
_TEXTS = ("a dog", "a photo of a beach at sunset", "two old men who play chess under a tree in the park", "receipt")


def probe_device(channel: WorkerChannel, setup: WorkerSetup) -> None:
    """Compare the plan with fp32 on the processor and answer "probed". Raises GraphError."""
    plan = setup.plan
    # Photos wait for the answer. What is compiled by the plan is for the workers, the other only for this comparison.
    plain = replace(plan, device="cpu", precision="fp32", cache="")
    try:
        tower, reference = openvino.load_image_tower(plan), openvino.load_image_tower(plain)
        size = tower.info.preprocess
        shape = (_PICTURES, size.height, size.width, 3)
        pictures = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        # On a busy machine only the processor time says how fast a precision is.
        clock = time.process_time if plan.device == "cpu" else time.perf_counter
        seconds, vectors = time_embed(tower, pictures, clock)
        plain_seconds, wanted = time_embed(reference, pictures, clock)
        texts, wanted_texts = (openvino.load_text_tower(each).embed(_TEXTS) for each in (plan, plain))
    except RuntimeError as error:
        raise GraphError(str(error)) from error
    channel.send_message(
        {
            "op": "probed",
            "seconds": seconds,
            "plain_seconds": plain_seconds,
            "cosine": min(_lowest_cosine(vectors, wanted), _lowest_cosine(texts, wanted_texts)),
        }
    )


def time_embed(tower: ImageTower, pictures: list[Pixels], clock: Callable[[], float]) -> tuple[float, Vectors]:
    """Return the shortest of up to three times, in seconds a picture, and the vectors."""
    vectors = tower.embed(pictures)
    some = pictures[:_TIMED]
    times: list[float] = []
    while len(times) < _ROUNDS and sum(times) < _ENOUGH_SECONDS:
        start = clock()
        tower.embed(some)
        times.append(clock() - start)
    return min(times) / len(some), vectors


def _lowest_cosine(vectors: Vectors, wanted: Vectors) -> float:
    lowest = float((vectors * wanted).sum(axis=1).min())
    return lowest if np.isfinite(lowest) else 0.0
