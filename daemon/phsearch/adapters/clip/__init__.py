"""The towers of any open_clip model. The only package that imports torch; only worker processes import it."""

from phsearch.adapters.clip.loader import Bundle, load
from phsearch.adapters.clip.towers import OpenClipImageTower, OpenClipTextTower

__all__ = ["Bundle", "OpenClipImageTower", "OpenClipTextTower", "load"]
