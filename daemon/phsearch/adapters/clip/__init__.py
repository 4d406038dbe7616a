"""The towers of any open_clip model. Only this package imports torch, and only worker processes import this package."""

from phsearch.adapters.clip.loader import LoadedTower, load_tower
from phsearch.adapters.clip.towers import OpenClipImageTower, OpenClipTextTower

__all__ = ["LoadedTower", "OpenClipImageTower", "OpenClipTextTower", "load_tower"]
