"""Decodes photo files to pixels and metadata, with Pillow and its plugins, and with LibRaw for camera RAW.

`decoder` is the entry point. It reads a file once and passes it on: `domain.file_type` finds the format by the first
bytes, `codecs` opens that format, `raw` handles camera files, `metadata` reads what is written about the photo,
`geometry` plans the model's resize and crop, and `render` applies that plan to the pixels, with `colour` for the pixel
modes and `colour_profiles` for their meaning. `repair` finds the picture beside damaged parts, `decode_error` explains
failures, and `encode` writes small pictures for display.
"""

from phsearch.adapters.images.decoder import PillowDecoder
from phsearch.adapters.images.encode import encode_image

__all__ = ["PillowDecoder", "encode_image"]
