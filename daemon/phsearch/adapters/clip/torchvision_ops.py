"""Makes torchvision importable next to a torch without CUDA.

The registry's torchvision is built for CUDA. Next to a CPU-only torch its compiled operators do not load, and its
import fails when it registers the shapes of two of them. open_clip needs only its image transforms, so the names are
declared here and never called.
"""

from __future__ import annotations

import torch

# Kept as long as the process runs: dropping the library would remove the names.
declared: list[torch.library.Library] = []

if torch.version.cuda is None:
    declared.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        declared[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
