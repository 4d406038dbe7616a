"""Measure ranking, cut-off and calibration, or fit one: `python tests/quality/run.py [calibrate] --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Replace this folder in the path: its modules must not be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "daemon"))
    from quality.calibrate import calibrating
    from quality.main import measure

    calibrating(sys.argv[2:]) if sys.argv[1:2] == ["calibrate"] else measure(sys.argv[1:])
