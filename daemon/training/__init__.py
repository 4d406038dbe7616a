"""The recipe that made the bundled model ``phsearch/models/mini``."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Makes torchvision importable beside a CPU-only torch, which must come before everything else.
from phsearch.adapters import clip

__all__ = ["clip"]
