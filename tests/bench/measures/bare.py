"""The yardstick of indexing: decodes and embeds the photos of a folder with the same code, and does nothing else.

There is no watch, digest, store or second process. Threads decode three batches ahead while the model runs. Run as
`python -P bare.py SETUP FOLDER WARM_UP`, where SETUP is the first frame that the daemon sends its index worker; prints
the rate from the end of the first batch after WARM_UP photos to the end of the last, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.adapters.images import PillowDecoder
from phsearch.service.workers.command import WorkerSetup
from phsearch.worker.load import load_image_tower

if TYPE_CHECKING:
    from phsearch.domain.ports import Decoded

_AHEAD = 3


def main() -> None:
    """Embed the photos and print the rate."""
    setup = WorkerSetup.parse_header(json.loads(sys.argv[1]))
    tower = load_image_tower(setup)
    preprocess = tower.info.preprocess
    decoder = PillowDecoder(int(setup.max_megapixels * 1_000_000))
    paths = sorted(str(path) for path in Path(sys.argv[2]).iterdir())
    batches = [paths[start : start + tower.batch_size] for start in range(0, len(paths), tower.batch_size)]
    ends: list[tuple[float, float]] = []
    with ThreadPoolExecutor(setup.decode_threads or os.cpu_count()) as pool:
        decoding: deque[list[Future[Decoded]]] = deque()
        for number in range(len(batches)):
            while len(decoding) < _AHEAD and number + len(decoding) < len(batches):
                ahead = batches[number + len(decoding)]
                decoding.append([pool.submit(decoder.decode, path, preprocess) for path in ahead])
            tower.embed([decoded.result().pixels for decoded in decoding.popleft()])
            ends.append((time.perf_counter(), time.process_time()))
    first = -(-int(sys.argv[3]) // tower.batch_size)
    photos = sum(len(batch) for batch in batches[first + 1 :])
    seconds, cpu = (end - start for start, end in zip(ends[first], ends[-1], strict=True))
    result = {"rate": photos / seconds, "cpu": cpu / photos, "precision": tower.precision, "runtime": tower.runtime}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
