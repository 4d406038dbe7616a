"""The towers of any open_clip model. Only this package imports torch, and only worker processes import this package."""

from phsearch.adapters.clip.loader import LoadedTower, load_tower
from phsearch.adapters.clip.presets import cache_text_files, hub_weights
from phsearch.adapters.clip.towers import OpenClipImageTower, OpenClipTextTower
from phsearch.adapters.clip.weights import pickle_only

__all__ = [
    "LoadedTower",
    "OpenClipImageTower",
    "OpenClipTextTower",
    "cache_text_files",
    "hub_weights",
    "load_tower",
    "pickle_only",
]
