"""Photo files become pixels and facts: Pillow and its plugins, LibRaw for camera RAW.

`decoder` reads a file once and leads it through the rest: `sniff` says what it is by its bytes, `raw` knows cameras,
`exif` turns tags into facts, `fit` is the model's resize and crop as plain geometry, `render` does it to pixels, and
`small` encodes them for people to look at.
"""

from phsearch.adapters.images.decoder import PillowDecoder
from phsearch.adapters.images.encode import encoded

__all__ = ["PillowDecoder", "encoded"]
