"""How much memory the index worker may take before the photo it decodes is suspected.

Automatic means: what the worker has when its model is loaded, and room for a photo of the largest size allowed in each
decoding thread, but no more than half of the machine. A photo alone has all of that room; several large ones together
may pass it, and are then decoded one after the other.
"""

from __future__ import annotations

MB = 1 << 20
_BYTES_PER_PIXEL = 16
"""The greediest honest decoders (progressive JPEG, JPEG XL, 16-bit TIFF with its conversion) stay below this."""
_SHARE = 0.5
_LEAST = 256 * MB
"""Whatever is configured: with less beside the model not even a small photo could be read."""


def worker_limit(configured_mb: int, loaded: int, threads: int, megapixels: float, machine: int) -> int:
    """Give the limit in bytes; `loaded` is what the worker has now, `machine` the memory there is."""
    if configured_mb:
        return max(configured_mb * MB, loaded + _LEAST)
    room = int(megapixels * 1_000_000 * _BYTES_PER_PIXEL) * threads
    return max(min(loaded + room, int(machine * _SHARE)), loaded + _LEAST)
