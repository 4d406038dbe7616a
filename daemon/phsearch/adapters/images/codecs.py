"""Pillow, its plugins and LibRaw as one set of decoders: registered, quietened, counted into one version.

Imported by name and all at once: Pillow would load them when first asked, with every decoding thread asking.
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

    from phsearch.adapters.images.file_type import Kind

_REVISION = 1
"""Raise it when this package decodes what it did not, or otherwise: failures are then tried again."""


def prepare() -> None:
    """Set the process-wide switches of Pillow and its plugins; any number of times."""
    # Photos are decoded side by side: threads within one photo would only fight them for the cores.
    pillow_heif.register_heif_opener(depth_images=False, aux_images=False, decode_threads=1)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    JpegXLImagePlugin.DECODE_THREADS = 1
    Image.MAX_IMAGE_PIXELS = None  # our own limit speaks, and says which setting to change
    # "Corrupt EXIF data", "Truncated File Read": notes on metadata that we read with all due suspicion.
    warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|pillow_jxl)\b")


def opened(data: bytes, found: Kind) -> ImageFile.ImageFile:
    """Open `data` by the plugin of this one format, which reads the header and no pixels (JPEG XL: all of them).

    Image.open(formats=...) would do the same, but answers every failure with "cannot identify image file".
    """
    plugin, _accept = Image.OPEN[found]
    return plugin(io.BytesIO(data), "")


def version() -> str:
    """Name everything that decides what can be decoded."""
    libraw = ".".join(str(part) for part in rawpy.libraw_version)
    return (
        f"phsearch {_REVISION}, pillow {PIL.__version__}, pillow-heif {pillow_heif.__version__}"
        f" (libheif {pillow_heif.libheif_version()}), rawpy {importlib.metadata.version('rawpy')} (LibRaw {libraw}),"
        f" jxl {importlib.metadata.version('pillow-jxl-plugin')}"
    )
