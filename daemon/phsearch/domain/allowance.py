"""How much memory the index worker may take before the photo it decodes is suspected.

Automatic means: what the model takes, and room for a photo of the largest size allowed in each decoding thread, but no
more than half of the machine. A photo alone has all of that room; several large ones together
may pass it, and are then decoded one after the other.
"""

from __future__ import annotations

MB = 1 << 20
_BYTES_PER_PIXEL = 24
"""The greediest honest decoder is WebP's, which takes 22 for a lossless picture with transparency; others 7 to 13."""
_SHARE = 0.5
_LEAST = 512 * MB


def worker_limit(configured_mb: int, loaded: int, threads: int, megapixels: float, machine: int) -> int:
    """Give the limit in bytes; `loaded` is what the worker has now, `machine` the memory there is."""
    # Whatever is configured: the model's batches take up to as much again as the model, and no photo is to blame.
    least = 2 * loaded + _LEAST
    if configured_mb:
        return max(configured_mb * MB, least)
    room = int(megapixels * 1_000_000 * _BYTES_PER_PIXEL) * threads
    return max(min(least + room, int(machine * _SHARE)), least)
