"""Pillow, its plugins and LibRaw as one set of decoders: registered, without warnings, and with one version.

The plugins are imported by name and all at once. Otherwise Pillow would load them at the first photo, in several
decoding threads at the same time.
"""

from __future__ import annotations

import importlib.metadata
import io
import warnings
from typing import TYPE_CHECKING

import PIL
import pillow_heif
import rawpy
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    Jpeg2KImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)
from pillow_jxl import JpegXLImagePlugin

if TYPE_CHECKING:
    from PIL import ImageFile

    from phsearch.domain.file_type import ImageFormat

_DECODER_REVISION = 3
"""Raise this when this package decodes more files or decodes them differently: failures are then retried."""


def configure_decoders() -> None:
    """Set the process-wide switches of Pillow and its plugins. Can be called any number of times."""
    # Photos are decoded in parallel: threads within one photo would only compete for the same cores.
    pillow_heif.register_heif_opener(depth_images=False, aux_images=False, decode_threads=1)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    JpegXLImagePlugin.DECODE_THREADS = 1
    Image.MAX_IMAGE_PIXELS = None  # our own limit applies, and its message names the setting
    # "Corrupt EXIF data", "Truncated File Read": remarks on metadata, which `exif` does not trust anyway.
    warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|pillow_jxl)\b")


def open_image(data: bytes, image_format: ImageFormat) -> ImageFile.ImageFile:
    """Open `data` with the plugin of this format. It reads the header and no pixels, except for JPEG XL.

    Image.open(formats=...) would do the same, but reports every failure as "cannot identify image file".
    """
    plugin, _accept = Image.OPEN[image_format]
    return plugin(io.BytesIO(data), "")


def version() -> str:
    """Return the versions of everything that decides which photos can be decoded."""
    libraw = ".".join(str(part) for part in rawpy.libraw_version)
    return (
        f"phsearch {_DECODER_REVISION}, pillow {PIL.__version__}, pillow-heif {pillow_heif.__version__}"
        f" (libheif {pillow_heif.libheif_version()}), rawpy {importlib.metadata.version('rawpy')} (LibRaw {libraw}),"
        f" jxl {importlib.metadata.version('pillow-jxl-plugin')}"
    )
