"""What is written about a photo in and beside its file: EXIF, XMP, IPTC, PNG text, sidecars.

Metadata is written by thousands of firmwares and damaged by as many programs, so no value is trusted. A value of the
wrong type, a zero denominator, a month 13 or a latitude of 200 counts as no value and is never an error.
"""

from phsearch.adapters.images.metadata.facts import Facts
from phsearch.adapters.images.metadata.image import read_exif_block, read_image
from phsearch.adapters.images.metadata.sidecars import MAX_SIDECAR_BYTES, read_sidecar, sidecar_paths

__all__ = ["MAX_SIDECAR_BYTES", "Facts", "read_exif_block", "read_image", "read_sidecar", "sidecar_paths"]
