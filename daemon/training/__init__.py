"""The recipe that made the bundled model ``phsearch/models/mini``."""

import os

import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

if torch.version.cuda is None:
    # A PyPI torchvision beside a CPU-only torch stops at import for want of these two names.
    _operators = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for _name, _signature in {
        "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    }.items():
        _operators.define(_name + _signature)  # type: ignore[no-untyped-call]
