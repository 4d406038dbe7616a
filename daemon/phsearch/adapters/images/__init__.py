"""Decodes photo files to pixels and metadata, with Pillow and its plugins, and with LibRaw for camera RAW.

`decoder` is the entry point. It reads a file once and passes it on: `file_type` finds the format by the first bytes,
`codecs` opens that format, `raw` handles camera files, `exif` reads the metadata, `geometry` plans the model's resize
and crop, and `render` applies that plan to the pixels, with `colour` for the pixel modes. `decode_error` explains
failures. `encode` writes small pictures for display.
"""

from phsearch.adapters.images.decoder import PillowDecoder
from phsearch.adapters.images.encode import encode_image

__all__ = ["PillowDecoder", "encode_image"]
