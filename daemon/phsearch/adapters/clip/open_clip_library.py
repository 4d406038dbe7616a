"""Imports open_clip, and only what is needed of that: `from phsearch.adapters.clip.open_clip_library import open_clip`.

Two things that it imports stand in its way, and neither is ever used here.

The registry's torchvision is built for CUDA. Next to a CPU-only torch its compiled operators do not load, and its
import fails when it registers the shapes of two of them. So their names are declared.

torchvision and timm ask torch's compiler whether it could be used, and mark functions that it should leave alone. Its
import takes three of eight seconds. So a placeholder answers in its place while they are imported.
"""

from __future__ import annotations

import contextlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMPILER = "torch._dynamo"

# Kept as long as the process runs: dropping the library would remove the names.
declared: list[torch.library.Library] = []

if torch.version.cuda is None:
    declared.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        declared[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _without_compiler() -> Iterator[None]:
    if _COMPILER in sys.modules:
        yield
        return
    compiler, utils = ModuleType(_COMPILER), ModuleType(f"{_COMPILER}.utils")
    vars(compiler).update(disable=_leave_alone, utils=utils)
    vars(utils).update(is_compile_supported=lambda _device: False)
    placeholders = {_COMPILER: compiler, utils.__name__: utils}
    sys.modules.update(placeholders)
    try:
        yield
    finally:
        for placeholder in placeholders:
            del sys.modules[placeholder]  # the next import finds the real one


def _leave_alone(function: Callable[..., Any] | None = None, *_how: Any, **_why: Any) -> Any:
    return function if function is not None else _leave_alone


with _without_compiler():
    import open_clip

__all__ = ["open_clip"]
