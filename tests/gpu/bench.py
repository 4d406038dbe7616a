"""One line of rates on this machine's GPU: photos a second end to end, decoding only, forward passes only.

`python tests/gpu/bench.py [--device cuda] [--photos DIR] [--count N] [--large]`. The slowest stage bounds the first
number. If "end to end" is well below both others, something between them is slow.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.context import BenchContext, idle, running, warm
from bench.measures.indexing import measured
from bench.photos import Photos, linked
from phsearch.adapters.images import PillowDecoder

if TYPE_CHECKING:
    from phsearch.adapters.clip import OpenClipImageTower
    from phsearch.domain.types import Pixels, Preprocess

_SECONDS = 5.0
_WARM_UP = 256


def main() -> int:
    """Measure and print; return the exit status."""
    options = _options()
    from phsearch.adapters import clip  # noqa: PLC0415 - seconds; --help needs no torch
    from phsearch.adapters.clip.device import choose_device  # noqa: PLC0415 - as above

    try:
        device = choose_device(options.device)[0]
        bundle = clip.load_tower(options.model, "", "image")
        tower = clip.OpenClipImageTower(bundle, device=str(device), precision=options.precision)
    except (RuntimeError, AssertionError) as error:
        sys.stderr.write(f"{options.device} cannot be used: {error}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="phsearch-bench-", ignore_cleanup_errors=True) as folder:
        photos = Photos(Path(folder) / "photos", options.photos)
        wanted = options.count + _WARM_UP
        paths = photos.large(wanted) if options.large else photos.small(wanted)
        decoded, pixels = _decode(paths[:_WARM_UP], bundle.info.preprocess)
        forward = _forward(tower, pixels)
        del tower, bundle  # now the device belongs to the daemon
        context = BenchContext(Path(folder), photos, options.model, quick=False)
        whole = _end_to_end(context, paths, options.device, options.precision)
        decoded_by = f"decode only {decoded:,.0f} ({os.cpu_count()} threads)"
        rates = f"end to end {whole:,.0f}, {decoded_by}, forward only {forward:,.0f}"
        sys.stdout.write(f"{context.learnt['model']}: photos/s {rates}\n")
    return 0


def _decode(paths: list[Path], preprocess: Preprocess) -> tuple[float, list[Pixels]]:
    decoder = PillowDecoder(250_000_000)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda path: decoder.decode(str(path), preprocess), paths[:16]))
        start = time.perf_counter()
        done: list[Pixels] = []
        while time.perf_counter() - start < _SECONDS:
            done += [made.pixels for made in pool.map(lambda path: decoder.decode(str(path), preprocess), paths)]
        seconds = time.perf_counter() - start
    return len(done) / seconds, done[: len(paths)]


def _forward(tower: OpenClipImageTower, pixels: list[Pixels]) -> float:
    """Embed the same pictures repeatedly, with the transfers to and from the device."""
    batch = (pixels * (1 + tower.batch_size // len(pixels)))[: tower.batch_size]
    for _ in range(3):
        tower.embed(batch)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        done += len(tower.embed(batch))
    return done / (time.perf_counter() - start)


def _end_to_end(context: BenchContext, paths: list[Path], device: str, precision: str) -> float:
    daemon = context.daemon("gpu", {"model": {"device": device, "precision": precision}})
    linked(paths[:_WARM_UP], daemon.photos / "warm-up")
    with running(daemon):
        warm(daemon)
        idle(daemon, _WARM_UP)
        context.learn(daemon)
        return measured(daemon, paths[_WARM_UP:], _WARM_UP).rate


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/gpu/bench.py", description=__doc__)
    parser.add_argument("--device", default="cuda", help='"cuda" (the default), "cuda:N", or "cpu" to try this out')
    parser.add_argument("--precision", default="auto", help='"auto" (the default), fp32, fp16 or bf16')
    parser.add_argument("--model", default="mini", metavar="NAME", help='"mini" (the default) or "local-dir:/path"')
    parser.add_argument("--photos", type=Path, metavar="DIR", help="use the JPEGs in DIR, not scikit-image's photos")
    parser.add_argument("--count", type=int, default=4096, metavar="N", help="photos to index (default 4096)")
    parser.add_argument("--large", action="store_true", help="photos of 12 megapixels")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
