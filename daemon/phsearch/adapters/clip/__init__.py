"""The towers of any open_clip model. The only package that imports torch; only worker processes import it."""

from phsearch.adapters.clip.loader import LoadedTower, load_tower
from phsearch.adapters.clip.towers import OpenClipImageTower, OpenClipTextTower

__all__ = ["LoadedTower", "OpenClipImageTower", "OpenClipTextTower", "load_tower"]
