"""Make torchvision importable beside a torch without CUDA.

The registry's torchvision is built for CUDA; beside a CPU-only torch its compiled operators do not load, and it fails
at import while registering shapes for two of them. open_clip wants only its image transforms, so the two names are
declared here, never to be called.
"""

from __future__ import annotations

import torch

# Kept for the life of the process: dropping the library would undeclare the names.
declared: list[torch.library.Library] = []

if torch.version.cuda is None:
    declared.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        declared[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
