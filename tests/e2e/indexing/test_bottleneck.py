"""The bottleneck of a real daemon with real workers: slow decoding in front of a quick model, and the reverse."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from support.harness import NO_POWER_DAEMON, Daemon, daemon_program, wait_until

if TYPE_CHECKING:
    from pathlib import Path

# The real worker with its threads, and colours for a model.
BAD_DECODER_DAEMON = daemon_program("bad_decoder")
_COUNT = 96

OTHERS = "other programs keep the processor busy"
"""May be true on any machine."""


def fill(folder: Path, size: tuple[int, int]) -> None:
    """Write JPEGs of one picture, each with bytes of its own behind its end."""
    smooth = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(smooth).resize(size).save(buffer, "JPEG", quality=90)
    folder.mkdir(exist_ok=True)
    for number in range(_COUNT):
        (folder / f"{number}.jpg").write_bytes(buffer.getvalue() + str(number).encode())


def bound(daemon: Daemon) -> dict[str, Any]:
    """Wait until a stage is named and the model has had photos to be measured by; gives the status then."""

    def named() -> dict[str, Any] | None:
        status = daemon.status()
        assert status["photos"] < _COUNT, "all were taken in, and no stage was ever named"
        found = status["bottleneck"]
        return status if found["remedy"] and found["rates"]["model"] is not None else None

    found: dict[str, Any] = wait_until(named, "a stage is named", 150)
    return found


def test_twelve_megapixels_before_a_quick_model_are_decode_bound(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, BAD_DECODER_DAEMON, "[index]\ndecode_threads = 1\n")
    fill(daemon.photos, (4000, 3000))
    daemon.start()
    try:
        found = bound(daemon)["bottleneck"]
        assert found["stage"] == "decode"
        rates = found["rates"]
        assert rates["model"] > 2 * rates["reached"]
        assert rates["reached"] <= 1.5 * rates["decode"]
        wanted = f"raise index.decode_threads (now 1 of {os.cpu_count()} processors)"
        assert found["remedy"] == wanted or OTHERS in found["remedy"] or os.cpu_count() == 1
        said = daemon.cli("status").stdout
        assert "slowest   decode-bound: " in said
        lines = [line for line in daemon.cli("doctor", check=False).stdout.splitlines() if "\tbottleneck\t" in line]
        assert "decode-bound: " in lines[0]
        assert 'phsearch_bottleneck{stage="decode"} 1' in daemon.cli("metrics").stdout
    finally:
        daemon.stop()


def test_tiny_photos_before_mini_are_model_bound(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, NO_POWER_DAEMON)
    fill(daemon.photos, (64, 48))
    daemon.start()
    try:
        status = bound(daemon)
        found = status["bottleneck"]
        assert found["stage"] == "model"
        assert (found["remedy"] == "a GPU would help" or OTHERS in found["remedy"]) or status["model"][
            "device"
        ] != "cpu"
        rates = found["rates"]
        assert rates["decode"] > 2 * rates["model"]
    finally:
        daemon.stop()
