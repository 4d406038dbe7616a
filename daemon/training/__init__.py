"""The training of the bundled model ``phsearch/models/mini``."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Makes torchvision importable next to a CPU-only torch. It must be imported before everything else.
from phsearch.adapters import clip

__all__ = ["clip"]
