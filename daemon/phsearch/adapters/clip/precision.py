"""Chooses the precision that is fastest on this machine and gives the same vectors, and casts the model to it.

The weights are cast once. The alternative, autocast, converts every weight at every call on CPUs and is slower than
float32.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from phsearch.domain.types import Vectors

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MIN_SPEEDUP = 1.15
_MIN_COSINE = 0.998


def cast_model(
    model: torch.nn.Module, device: torch.device, wanted: str, embed: Callable[[str], Vectors]
) -> tuple[str, str]:
    """Cast the model in place; return the precision and the reason for it.

    `wanted` is a precision, or "auto" for the fastest that gives the same vectors. `embed` embeds an example with the
    model, with its input in the precision that it is given.
    """
    if wanted != "auto":
        model.to(DTYPES[wanted])
        return wanted, "as model.precision says"
    if device.type == "cuda":
        model.to(torch.float16)
        return "fp16", "half precision is a GPU's quickest"
    return _choose_by_measurement(model, embed)


def _choose_by_measurement(model: torch.nn.Module, embed: Callable[[str], Vectors]) -> tuple[str, str]:
    """Cast a model on a CPU to bfloat16 if that is worth it; return the precision and the reason."""
    slow, reference = _time_call(lambda: embed("fp32"))
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    try:
        model.to(torch.bfloat16)
        fast, vectors = _time_call(lambda: embed("bf16"))
    except RuntimeError:
        why = "this processor has no bfloat16 for each operator of the model"
    else:
        cosine = float((vectors * reference).sum(axis=1).min())
        speedup = f"{slow / fast:.1f} times as fast as fp32"
        if slow / fast >= _MIN_SPEEDUP and cosine >= _MIN_COSINE:
            return "bf16", f"measured {speedup} on this processor"
        why = f"bf16 is only {speedup} on this processor, as measured"
        if cosine < _MIN_COSINE:
            why = f"bf16 gives other answers, as measured (cosine {cosine:.4f})"
    model.to(torch.float32)
    model.load_state_dict(state)
    return "fp32", why


def _time_call(call: Callable[[], Vectors]) -> tuple[float, Vectors]:
    """Return the shortest of three times, in seconds, and the vectors."""
    vectors = call()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times), vectors
